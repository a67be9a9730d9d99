/**
 * SIGINT, SIGTERM and SIGHUP ask a command to stop. A second signal, or a while after the first, means not to wait
 * for the guest any more.
 */
import { endSignals } from "../../base/end-signals.ts";
import { hostLimits } from "../limits.ts";

export type StopAsked = "no" | "stop" | "abort";

export class StopSignals {
  readonly #names = endSignals();
  #count = 0;
  #firstMs = 0;
  readonly #note = (): void => this.ask();

  /** Without `listen` only `ask()` counts. */
  constructor({ listen = true } = {}) {
    if (listen) for (const name of this.#names) process.on(name, this.#note);
  }

  /** A key press counts like a signal. */
  ask(): void {
    if (this.#count++ === 0) this.#firstMs = performance.now();
  }

  get asked(): StopAsked {
    if (this.#count === 0) return "no";
    return this.#count > 1 || performance.now() - this.#firstMs >= hostLimits.stopGraceMs ? "abort" : "stop";
  }

  /** Asked again: nothing is waited for. */
  get insisted(): boolean {
    return this.#count > 1;
  }

  close(): void {
    for (const name of this.#names) process.off(name, this.#note);
  }
}
