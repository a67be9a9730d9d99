/** The longest of many durations, the longest first; of equal ones the earlier first. */
export class Longest<T> {
  readonly #most: number;
  readonly #kept: { ns: number; of: T }[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** To be asked before what is kept is made. */
  admits(ns: number): boolean {
    return this.#most > 0 && (this.#kept.length < this.#most || ns > (this.#kept.at(-1)?.ns ?? 0));
  }

  add(ns: number, of: T): void {
    if (!this.admits(ns)) return;
    let [low, high] = [0, this.#kept.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#kept[middle]?.ns ?? 0) >= ns) low = middle + 1;
      else high = middle;
    }
    this.#kept.splice(low, 0, { ns, of });
    if (this.#kept.length > this.#most) this.#kept.pop();
  }

  get all(): T[] {
    return this.#kept.map(({ of }) => of);
  }

  /** The longest, and begins anew. */
  take(): T | undefined {
    const { first } = this;
    this.#kept.length = 0;
    return first;
  }

  get first(): T | undefined {
    return this.#kept[0]?.of;
  }
}
