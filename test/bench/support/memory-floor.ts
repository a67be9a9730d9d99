/** What the runtime takes by itself: the same executable form around a program that does nothing (empty/). */
import { join } from "node:path";
import { mkdtempSync, rmSync } from "node:fs";
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
    // An option first, as for the agent: the executable then starts the runtime with the agent's settings.
    const program = startChild([join(this.#folder, "floor"), `--${workers}`]);
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
