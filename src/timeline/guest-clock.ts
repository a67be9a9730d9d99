/** Estimates a guest's clock from the stamps of received events. */
import { timelineLimits } from "./limits.ts";

export class GuestClock {
  samples = 0;
  /** Smallest delay, in ms of our clock minus ms of the guest's: of the previous window, and of this one. */
  #before = Infinity;
  #now = Infinity;
  #windowMs = -Infinity;

  observe(nowMs: number, stamp: number): void {
    if (nowMs - this.#windowMs > timelineLimits.liveClockWindowMs) {
      this.#before = this.#now;
      this.#now = Infinity;
      this.#windowMs = nowMs;
    }
    this.samples++;
    this.#now = Math.min(this.#now, nowMs - stamp / 1e6);
  }

  at(nowMs: number): number | undefined {
    const lateness = Math.min(this.#before, this.#now);
    return lateness === Infinity ? undefined : (nowMs - lateness) * 1e6;
  }
}
