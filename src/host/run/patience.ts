/**
 * How long to wait: until nothing has arrived for a while, and never longer than a total limit.
 *
 * A guest that sends single bytes must not hold us: only as many bytes as a working guest sends count as progress.
 */
import { hostLimits } from "../limits.ts";

/** `endless`: the other side sends without end, so waiting for the end is pointless. */
export type PatienceLimits = { silenceMs: number; totalMs: number; endless?: () => boolean };

export class Patience {
  readonly #limits: PatienceLimits;
  readonly #begunMs = performance.now();
  #progressMs = this.#begunMs;
  #countedBytes: number;
  #totalMs: number;

  /** `bytes`: total received so far. */
  constructor(limits: PatienceLimits, bytes: number) {
    this.#limits = limits;
    this.#countedBytes = bytes;
    this.#totalMs = limits.totalMs;
  }

  isOf(limits: PatienceLimits): boolean {
    return this.#limits === limits;
  }

  /** Takes the total of bytes received so far. */
  see(bytes: number): void {
    if (bytes - this.#countedBytes < hostLimits.progressBytes) return;
    this.#countedBytes = bytes;
    this.progressed();
  }

  progressed(atMs = performance.now()): void {
    this.#progressMs = Math.max(this.#progressMs, atMs);
  }

  /** The guest reported progress at that time, so the total limit is extended. */
  working(atMs: number): void {
    this.#totalMs = Math.max(this.#limits.totalMs, hostLimits.workingTotalMs);
    this.progressed(atMs);
  }

  get leftMs(): number {
    if (this.#limits.endless?.() === true) return 0;
    return Math.min(this.#progressMs + this.#limits.silenceMs, this.#begunMs + this.#totalMs) - performance.now();
  }

  get waitedMs(): number {
    return performance.now() - this.#begunMs;
  }

  get silentMs(): number {
    return performance.now() - this.#progressMs;
  }

  /** The total limit was reached although there was progress. */
  get exhausted(): boolean {
    return this.waitedMs >= this.#totalMs;
  }
}
