/** Small C programs of this folder for guests, which have no libc: compiled static, once, into the cache. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";

/** Path of the executable of NAME.c. */
export function guestProgram(name: string): string {
  const source = join(import.meta.dir, `${name}.c`);
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = cacheFolder("guest");
  const program = join(folder, `${name}-${hash}`);
  if (existsSync(program)) return program;
  const scratch = mkdtempSync(join(folder, "compile-"));
  try {
    const fresh = join(scratch, name);
    const { exitCode, stderr } = Bun.spawnSync(["gcc", "-O2", "-static", "-Wall", "-Werror", "-o", fresh, source]);
    if (exitCode !== 0) throw new Error(`cannot compile ${source}: ${stderr.toString()}`);
    renameSync(fresh, program);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}
