/** Durations in bounded memory, counted in classes of 1/16 of a power of two, so percentiles are within 6 %. */
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

  /** How many lie in each power of two, from the first that has any to the last: from `fromNs` on, below `toNs`. */
  powers(): { fromNs: number; toNs: number; count: number }[] {
    const counts = new Map<number, number>();
    for (const [index, count] of this.#counts.entries()) {
      const power = index < classesPerPower ? Math.floor(Math.log2(Math.max(1, index))) : powerOf(index);
      if (count > 0) counts.set(power, (counts.get(power) ?? 0) + count);
    }
    if (counts.size === 0) return [];
    const [first, last] = [Math.min(...counts.keys()), Math.max(...counts.keys())];
    return Array.from({ length: last - first + 1 }, (_, step) => {
      const power = first + step;
      return { fromNs: power === 0 ? 0 : 2 ** power, toNs: 2 ** (power + 1), count: counts.get(power) ?? 0 };
    });
  }

  /** The duration that a fraction (0 to 1) of all does not exceed; 0 without any. */
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
  const power = powerOf(index);
  return 2 ** power * (1 + ((index % classesPerPower) + 1) / classesPerPower);
}

function powerOf(index: number): number {
  return Math.floor(index / classesPerPower) + 3;
}
