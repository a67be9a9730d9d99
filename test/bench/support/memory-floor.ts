/** What the runtime takes by itself: the same executable form around a program that does nothing (empty/). */
import { join } from "node:path";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { findIngredients, makeExecutable } from "../../../ffi/static/executable.ts";
import { hostMachine, targets } from "../../../ffi/static/targets.ts";
import { startChild } from "./child.ts";
import { residentBytesOf } from "./process.ts";

export class MemoryFloor {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Builds it; the caller closes it. */
  static async build(): Promise<MemoryFloor> {
    const machine = hostMachine();
    if (machine === undefined) throw new Error("the benchmarks need Linux on x64 or arm64");
    const root = join(import.meta.dir, "empty");
    const entrypoints = ["main.ts", "empty-worker.ts"].map((name) => join(root, name));
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-floor-"));
    await makeExecutable({ entrypoints, root }, findIngredients(targets[machine]), join(folder, "floor"));
    return new MemoryFloor(folder);
  }

  /** Anonymous memory in bytes of main and so many empty Workers. */
  async anonymous(workers: number, settleMs: number): Promise<number> {
    // As many CPUs are online as for the agent: the entry code makes room for the structures of so many Workers, and no more. An option
    // first, as for the agent: the runtime then has the agent's settings.
    writeFileSync(join(this.#folder, "online"), `0-${workers - 1}\n`);
    const script = `mount --bind "$1/online" /sys/devices/system/cpu/online && exec "$1/floor" "$2"`;
    const program = startChild(["unshare", "--mount", "sh", "-c", script, "sh", this.#folder, `--${workers}`]);
    try {
      await Bun.sleep(settleMs);
      return (await residentBytesOf(program)).anonymous;
    } finally {
      program.kill("SIGKILL");
      await program.exited;
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
