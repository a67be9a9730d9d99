/** Times in a typed array that grows, from whose front what is no longer needed is dropped. */
export class TimeList {
  values = new Float64Array(1024);
  /** Those in use are values[start] to values[end - 1]. */
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  push(time: number): void {
    if (this.end === this.values.length) this.#makeRoom();
    this.values[this.end++] = time;
  }

  /** Index of the first that is not before `time`; they are in order. */
  firstFrom(time: number): number {
    let [low, high] = [this.start, this.end];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.values[middle] ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  drop(count: number): void {
    this.start += count;
  }

  clear(): void {
    this.start = 0;
    this.end = 0;
  }

  #makeRoom(): void {
    const { values, start, end } = this;
    const target = start > values.length / 2 ? values : new Float64Array(values.length * 2);
    target.set(values.subarray(start, end));
    this.values = target;
    this.end = end - start;
    this.start = 0;
  }
}
