/** When each machine of a recording is to stop: on request or at a limit of the whole, the guests first, then the host. */
import { hostLimits } from "../limits.ts";
import type { RecordLimits } from "../run/recording-watch.ts";
import type { StopAsked, StopSignals } from "../run/stop-signals.ts";
import type { StartGate } from "./start-gate.ts";

export class StopOrder {
  readonly #signals: StopSignals;
  readonly #gate: StartGate;
  readonly #until: RecordLimits;
  readonly #bytes: () => number;
  /** From here on the time counts: all that start together have. */
  #countedMs: number | undefined;
  #sinceMs: number | undefined;
  #lastSinceMs: number | undefined;

  /** `bytes`: received from all machines. */
  constructor(signals: StopSignals, gate: StartGate, until: RecordLimits, bytes: () => number) {
    this.#signals = signals;
    this.#gate = gate;
    this.#until = until;
    this.#bytes = bytes;
  }

  /** Ends the whole, as a signal does. */
  stop(): void {
    this.#sinceMs ??= performance.now();
  }

  get isStopping(): boolean {
    if (this.#sinceMs === undefined && (this.#signals.asked !== "no" || this.#isOver())) this.stop();
    return this.#sinceMs !== undefined;
  }

  asked(machine: string): StopAsked {
    if (!this.isStopping) return "no";
    if (this.#signals.insisted) return "abort";
    if (!this.#gate.isLast(machine)) return late(this.#sinceMs) ? "abort" : "stop";
    if (!this.#gate.mayStop(machine)) return "no";
    // Its time begins when the others have ended.
    this.#lastSinceMs ??= performance.now();
    return late(this.#lastSinceMs) ? "abort" : "stop";
  }

  #isOver(): boolean {
    const { seconds, bytes } = this.#until;
    const now = performance.now();
    if (this.#gate.haveStarted) this.#countedMs ??= now;
    if (seconds !== undefined && now - (this.#countedMs ?? now) >= seconds * 1000) return true;
    return bytes !== undefined && this.#bytes() >= bytes;
  }
}

function late(sinceMs: number | undefined): boolean {
  return sinceMs !== undefined && performance.now() - sinceMs >= hostLimits.stopGraceMs;
}
