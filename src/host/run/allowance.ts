/**
 * What the replies of guests may cost of a CPU. Without it a guest that writes without end keeps the recorder busy all the time, and a process
 * that is always busy is made to wait by the host's scheduler: so do the ports of all other guests.
 *
 * Each guest may take a while as much as it needs, and has a small share of the time of its own, in which a guest that means no harm stays.
 * Those that need more divide one larger share: ten that write without end cost hardly more than one.
 */
import { hostLimits } from "../limits.ts";

/** CPU time that comes with the time that passes. */
class Share {
  readonly #share: number;
  readonly #mostMs: number;
  #leftMs: number;
  #seenMs: number;

  /** It has `mostMs` at first, and never more. */
  constructor(share: number, mostMs: number, nowMs: number) {
    this.#share = share;
    this.#mostMs = mostMs;
    this.#leftMs = mostMs;
    this.#seenMs = nowMs;
  }

  /** Gives what of it there was not. */
  take(ms: number, nowMs: number): number {
    this.#gain(nowMs);
    const taken = Math.min(ms, Math.max(0, this.#leftMs));
    this.#leftMs -= taken;
    return ms - taken;
  }

  /** Also what there is not. Gives the time until there is something again. */
  owe(ms: number, nowMs: number): number {
    this.#gain(nowMs);
    this.#leftMs -= ms;
    return Math.max(0, -this.#leftMs / this.#share);
  }

  /** As much as at first. */
  isWhole(nowMs: number): boolean {
    this.#gain(nowMs);
    return this.#leftMs === this.#mostMs;
  }

  #gain(nowMs: number): void {
    this.#leftMs = Math.min(this.#mostMs, this.#leftMs + (nowMs - this.#seenMs) * this.#share);
    this.#seenMs = nowMs;
  }
}

/** `spentMs` of CPU were spent until now; for so many ms nothing more is to be spent. */
export type Allowance = (spentMs: number, nowMs: number) => number;

/** Of all guests that a thread serves. */
export class Allowances {
  readonly #common: Share;
  readonly #guests = new Map<string, Share>();

  constructor(nowMs = performance.now()) {
    this.#common = new Share(hostLimits.controlCommonCpuShare, 0, nowMs);
  }

  /** What a guest has spent stays spent when its session ends: one that begins anew and anew has no more for it. */
  of(guest: string, beginMs = performance.now()): Allowance {
    for (const [other, share] of this.#guests) if (share.isWhole(beginMs)) this.#guests.delete(other);
    const own = this.#guests.get(guest) ?? new Share(hostLimits.controlCpuShare, hostLimits.controlCpuMs, beginMs);
    this.#guests.set(guest, own);
    return (spentMs, nowMs) => {
      const lackingMs = own.take(spentMs, nowMs);
      return lackingMs === 0 ? 0 : this.#common.owe(lackingMs, nowMs);
    };
  }
}
