/** The last few of many, the oldest overwritten by the newest. */
export class Recent<T> {
  readonly #kept: T[] = [];
  readonly #most: number;
  #added = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(item: T): void {
    this.#kept[this.#added++ % this.#most] = item;
  }

  /** The newest first, as long as `take` says true. */
  forEach(take: (item: T) => boolean): void {
    for (let left = this.#kept.length, at = this.#added - 1; left > 0; left--, at--) {
      const item = this.#kept[at % this.#most];
      if (item === undefined || !take(item)) return;
    }
  }
}
