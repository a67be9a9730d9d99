/** Gives back now and then what a recorder's memory holds for nothing, soon after machines have begun, later seldom. */
import { releaseExecutablePages } from "../../../ffi/executable-pages.ts";
import { hostLimits } from "../limits.ts";

export class MemorySettling {
  #nextMs = performance.now() + hostLimits.heapSettleMs;
  #pagesMs = 0;
  /** Machines have begun since what they leave was collected. */
  #hasBegun = true;

  /** A machine has begun. */
  begun(): void {
    this.#hasBegun = true;
    this.#nextMs = Math.min(this.#nextMs, performance.now() + hostLimits.heapSettleMs);
  }

  /** `haveStarted`: all machines have. */
  turn(haveStarted: boolean): void {
    const now = performance.now();
    if (now < this.#nextMs) return;
    this.#nextMs = now + (haveStarted ? hostLimits.settleEveryMs : hostLimits.heapSettleMs);
    // What ran at a start is not needed again; later `true` would throw away what each cut needs, and make it anew.
    Bun.gc(this.#hasBegun);
    // Most of what goes on is mapped again within a second.
    if (this.#hasBegun || now >= this.#pagesMs) {
      releaseExecutablePages();
      this.#pagesMs = now + hostLimits.pagesEveryMs;
    }
    this.#hasBegun = !haveStarted;
  }
}
