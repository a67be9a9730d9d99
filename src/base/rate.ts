/** A rate limit: a burst, and so many per second after that. The rest is omitted and counted. */

export class Rate {
  readonly #atOnce: number;
  readonly #perSecond: number;
  #left: number;
  #atMs: number;
  #leftOut = 0;

  constructor(atOnce: number, perSecond: number, nowMs: number) {
    this.#atOnce = atOnce;
    this.#perSecond = perSecond;
    this.#left = atOnce;
    this.#atMs = nowMs;
  }

  /** Whether another one may pass at `nowMs`. */
  take(nowMs: number): boolean {
    this.#left = Math.min(this.#atOnce, this.#left + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
    this.#atMs = nowMs;
    if (this.#left >= 1) {
      this.#left--;
      return true;
    }
    this.#leftOut++;
    return false;
  }

  /** How many were omitted since the last call. */
  takeLeftOut(): number {
    const count = this.#leftOut;
    this.#leftOut = 0;
    return count;
  }
}
