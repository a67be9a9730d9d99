/**
 * What the replies of one guest may cost of a CPU: a while as much as they need, and a share of the time from then on. Without it a guest that
 * writes without end keeps the recorder busy all the time, and a process that is always busy is made to wait by the host's scheduler: so do the
 * ports of all other guests.
 */
import { hostLimits } from "../limits.ts";

export class Allowance {
  #leftMs: number = hostLimits.controlCpuMs;
  #seenMs: number;

  constructor(nowMs: number) {
    this.#seenMs = nowMs;
  }

  /** `spentMs` of CPU were spent until now; for so many ms nothing more is to be spent. */
  spend(spentMs: number, nowMs: number): number {
    const { controlCpuMs, controlCpuShare } = hostLimits;
    const gainedMs = (nowMs - this.#seenMs) * controlCpuShare;
    this.#seenMs = nowMs;
    this.#leftMs = Math.min(controlCpuMs, this.#leftMs + gainedMs) - spentMs;
    return Math.max(0, -this.#leftMs / controlCpuShare);
  }
}
