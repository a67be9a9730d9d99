/** Durations in bounded memory: counted in classes that are 1/16 of a power of two wide, so percentiles are within 6 %. */
const classesPerPower = 16;
const powers = 53;

export class LatencyHistogram {
  readonly #counts = new Float64Array(powers * classesPerPower);
  count = 0;
  max = 0;
  sum = 0;

  add(nanoseconds: number): void {
    if (!(nanoseconds >= 0)) return;
    this.count++;
    this.sum += nanoseconds;
    if (nanoseconds > this.max) this.max = nanoseconds;
    const index = classOf(nanoseconds);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
  }

  addAll(other: LatencyHistogram): void {
    this.count += other.count;
    this.sum += other.sum;
    this.max = Math.max(this.max, other.max);
    for (const [index, count] of other.#counts.entries()) this.#counts[index] = (this.#counts[index] ?? 0) + count;
  }

  /** The duration that a share of all (0 to 1) does not exceed; 0 without any. */
  percentile(share: number): number {
    let left = Math.ceil(this.count * share);
    for (const [index, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return Math.min(this.max, upperEnd(index));
    }
    return this.max;
  }
}

function classOf(value: number): number {
  if (value < classesPerPower) return Math.floor(value);
  const power = Math.floor(Math.log2(value));
  const within = Math.floor((value / 2 ** power - 1) * classesPerPower);
  return Math.min((power - 3) * classesPerPower + within, powers * classesPerPower - 1);
}

function upperEnd(index: number): number {
  if (index < classesPerPower) return index;
  const power = Math.floor(index / classesPerPower) + 3;
  return 2 ** power * (1 + ((index % classesPerPower) + 1) / classesPerPower);
}
