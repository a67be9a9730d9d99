/** The static program `markers` (markers.c), compiled once into the cache; it goes into guests as a file. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/entry/cache.ts";

const source = join(import.meta.dir, "markers.c");

/** Path of the executable: `markers FILE CPU FROM COUNT [PER_SECOND]`. Needs gcc, as the build of trace-agent does. */
export function markerProgram(): string {
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = cacheFolder("guest");
  const program = join(folder, `markers-${hash}`);
  if (existsSync(program)) return program;
  const scratch = mkdtempSync(join(folder, "compile-"));
  try {
    const fresh = join(scratch, "markers");
    const { exitCode, stderr } = Bun.spawnSync(["gcc", "-O2", "-static", "-Wall", "-Werror", "-o", fresh, source]);
    if (exitCode !== 0) throw new Error(`cannot compile ${source}: ${stderr.toString()}`);
    renameSync(fresh, program);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}
