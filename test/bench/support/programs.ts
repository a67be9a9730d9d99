/** The benchmarks' own small C programs, compiled once into the cache: static, so that they run in guests too. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../../ffi/static/cache.ts";

export function benchProgram(name: "workload" | "sink" | "feed"): string {
  const source = join(import.meta.dir, `${name}.c`);
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const program = join(cacheFolder("bench"), `${name}-${hash}`);
  if (!existsSync(program)) compileC([source], program, ["-O2", "-static", "-Wall", "-Werror"]);
  return program;
}

/** Compiles to `program` under a name that is only there when it is whole. */
export function compileC(sources: readonly string[], program: string, options: readonly string[]): void {
  const fresh = `${program}.${process.pid}`;
  const { exitCode, stderr } = Bun.spawnSync(["gcc", ...options, "-o", fresh, ...sources]);
  if (exitCode !== 0) throw new Error(`cannot compile ${sources.join(" ")}: ${stderr.toString()}`);
  renameSync(fresh, program);
}
