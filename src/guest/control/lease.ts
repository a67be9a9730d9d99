/**
 * The lease of a session that changed something in the guest. It runs out when the host sent no order and took no
 * data for a while. It does not run while the host waits for the agent.
 *
 * Time is counted in checks, not by the clock: a paused guest or agent has not waited for its host.
 */
import { protocolLimits } from "../../protocol/limits.ts";
import { guestLimits } from "../limits.ts";

export class Lease {
  readonly #bytesTaken: () => number;
  readonly #runOut: () => void;
  #seconds: number = protocolLimits.leaseSecondsDefault;
  #timer: NodeJS.Timeout | undefined;
  #silentLooks = 0;
  #received = false;
  #holds = 0;
  #bytesSeen = 0;

  /** `bytesTaken`: how much the host took of all streams together. `runOut` is called once; then there is no lease until `begin()`. */
  constructor(bytesTaken: () => number, runOut: () => void) {
    this.#bytesTaken = bytesTaken;
    this.#runOut = runOut;
  }

  get seconds(): number {
    return this.#seconds;
  }

  /** Sets the duration for this session. */
  setSeconds(seconds: number): void {
    this.#seconds = seconds;
    if (this.#timer === undefined) return;
    this.end();
    this.begin();
  }

  /** There is something to restore. */
  begin(): void {
    if (this.#timer !== undefined) return;
    this.#silentLooks = 0;
    this.#bytesSeen = this.#bytesTaken();
    this.#timer = setInterval(() => this.#check(), (this.#seconds * 1000) / guestLimits.leaseChecks);
  }

  /** A byte arrived on the control port. */
  renew(): void {
    this.#received = true;
  }

  /** Suspended while `work` runs, because the host waits for it. */
  async hold<T>(work: Promise<T>): Promise<T> {
    this.#holds++;
    try {
      return await work;
    } finally {
      this.#holds--;
      this.renew();
    }
  }

  /** Nothing is left to restore. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Another session begins. */
  forget(): void {
    this.end();
    this.#seconds = protocolLimits.leaseSecondsDefault;
  }

  #check(): void {
    const bytes = this.#bytesTaken();
    const renewed = this.#holds > 0 || this.#received || bytes !== this.#bytesSeen;
    this.#received = false;
    this.#bytesSeen = bytes;
    this.#silentLooks = renewed ? 0 : this.#silentLooks + 1;
    if (this.#silentLooks < guestLimits.leaseChecks) return;
    this.end();
    this.#runOut();
  }
}
