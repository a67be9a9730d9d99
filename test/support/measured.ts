/** The built executable run to its end, with what it cost. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "./agent-process.ts";

type Cost = { code: number; cpuSeconds: number; peakMiB: number };
export type Measured = Cost & { stdout: Buffer; stderr: string };

export async function measured(args: readonly string[]): Promise<Measured> {
  const directory = mkdtempSync(join(tmpdir(), "trace-agent-measured-"));
  const result = join(directory, "result");
  try {
    const script = join(import.meta.dir, "measure-child.ts");
    const child = Bun.spawn([process.execPath, script, result, executable, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
    await child.exited;
    const cost = JSON.parse(readFileSync(result, "utf8")) as Cost;
    return { ...cost, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr).toString() };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
