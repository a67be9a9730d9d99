/**
 * The program `markers`, for this machine, and for guests as a file: markers.c, compiled static once into the cache; where that
 * cannot be, a shell script that does the same more slowly.
 */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { whyNoTools } from "./packages.ts";

const source = join(import.meta.dir, "markers.c");

const script = `#!/bin/sh
taskset -p $(printf %x $((1 << $2))) $$ >/dev/null
exec >"$1"
number=$3
while [ $number -lt $(($3 + $4)) ]; do
  until echo "MARK $2 $number" 2>/dev/null; do
    [ -n "$5" ] || exit 1
    sleep 0.01
  done
  number=$((number + 1))
  [ -z "$5" ] || sleep $(printf 0.%03d $((1000 / $5)))
done
`;

const noCompiler = await whyNoTools("gcc", "/usr/include/stdio.h");

/** Path of the executable: `markers FILE CPU FROM COUNT [PER_SECOND]`. */
export function markerProgram(): string {
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = cacheFolder("guest");
  const program = join(folder, `markers-${hash}`);
  if (existsSync(program)) return program;
  const scratch = mkdtempSync(join(folder, "compile-"));
  try {
    const fresh = join(scratch, "markers");
    if (noCompiler !== undefined) {
      writeFileSync(fresh, script);
      chmodSync(fresh, 0o755);
      renameSync(fresh, `${program}.sh`);
      return `${program}.sh`;
    }
    const { exitCode, stderr } = Bun.spawnSync(["gcc", "-O2", "-static", "-Wall", "-Werror", "-o", fresh, source]);
    if (exitCode !== 0) throw new Error(`cannot compile ${source}: ${stderr.toString()}`);
    renameSync(fresh, program);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}
