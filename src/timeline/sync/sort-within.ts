/**
 * Sorts numbers of a known range, as a sweep has them by the thousand (votes.ts), each into its place of as many even ones: where they
 * lie evenly, as they mostly do, in a third to a seventh of the runtime's time. Those that lie close together are for the runtime.
 */

/** More in one place are sorted by the runtime. */
const inOnePlaceMost = 16;
/** For fewer the runtime is as fast. */
const numbersLeast = 128;

export class RangeSorter {
  /** Of each place, where those that are in it end; then where they begin. */
  #places = new Int32Array(4096);
  #sorted = new Float64Array(4096);

  /** `values`: from `low` to `high`, or hardly outside. */
  sort(values: Float64Array, low: number, high: number): void {
    const count = values.length;
    const scale = (count - 1) / (high - low);
    if (count < numbersLeast || !Number.isFinite(scale)) {
      values.sort();
      return;
    }
    if (this.#places.length < count) {
      this.#places = new Int32Array(2 * count);
      this.#sorted = new Float64Array(2 * count);
    }
    const most = this.#distribute(values, low, scale);
    const sorted = this.#sorted;
    if (most > inOnePlaceMost) {
      const begins = this.#places;
      for (let place = 0; place < count; place++) {
        const [from, to] = [begins[place] ?? 0, place + 1 < count ? (begins[place + 1] ?? 0) : count];
        if (to - from > inOnePlaceMost) sorted.subarray(from, to).sort();
      }
    }
    // Each is where it belongs, or a few beside it.
    for (let index = 0; index < count; index++) {
      const value = sorted[index] ?? 0;
      let at = index;
      for (; at > 0 && (values[at - 1] ?? 0) > value; at--) values[at] = values[at - 1] ?? 0;
      values[at] = value;
    }
  }

  /** Place by place. Returns how many are in the fullest. */
  #distribute(values: Float64Array, low: number, scale: number): number {
    const count = values.length;
    const places = this.#places;
    const sorted = this.#sorted;
    places.fill(0, 0, count);
    let most = 0;
    for (let index = 0; index < count; index++) {
      const place = placeOf((values[index] ?? 0) - low, scale, count);
      const held = (places[place] ?? 0) + 1;
      places[place] = held;
      if (held > most) most = held;
    }
    for (let place = 1; place < count; place++) places[place] = (places[place] ?? 0) + (places[place - 1] ?? 0);
    for (let index = count - 1; index >= 0; index--) {
      const value = values[index] ?? 0;
      const place = placeOf(value - low, scale, count);
      const at = (places[place] ?? 0) - 1;
      places[place] = at;
      sorted[at] = value;
    }
    return most;
  }
}

/** What was rounded may lie a little outside of the range. */
function placeOf(above: number, scale: number, count: number): number {
  return Math.trunc(Math.min(count - 1, Math.max(0, above * scale)));
}
