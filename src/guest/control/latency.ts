/**
 * How long an event may wait in a sub-buffer that does not fill. The periodic check (transfer/latency-check.ts) runs so often
 * while a run goes on.
 */
import { protocolLimits } from "../../protocol/limits.ts";
import { latencyIndex, type RunState } from "../transfer/run-state.ts";

export class Latency {
  readonly #run: RunState;
  readonly #wake: () => void;
  #defaultMs: number = protocolLimits.latencyMsDefault;
  #ms = this.#defaultMs;
  #running = false;

  /** `wake` makes the control worker look at the run state. */
  constructor(run: RunState, wake: () => void) {
    this.#run = run;
    this.#wake = wake;
  }

  /** What counts as long as no host has set another. */
  useDefault(ms: number): void {
    this.#defaultMs = ms;
    this.restore();
  }

  get ms(): number {
    return this.#ms;
  }

  /** A host has set another than the default. */
  get changed(): boolean {
    return this.#ms !== this.#defaultMs;
  }

  /** Gives the one before. */
  set(ms: number): number {
    const previous = this.#ms;
    this.#ms = ms;
    this.#tell();
    return previous;
  }

  restore(): void {
    this.set(this.#defaultMs);
  }

  /** A run begins or has ended. */
  setRunning(running: boolean): void {
    this.#running = running;
    this.#tell();
  }

  #tell(): void {
    const ms = this.#running ? this.#ms : 0;
    if (Atomics.exchange(this.#run.words, latencyIndex, ms) !== ms) this.#wake();
  }
}
