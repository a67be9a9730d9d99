/**
 * The offset for which most events of a guest lie within the time that the host ran the thread of their vCPU.
 *
 * An event of vCPU k at guest time t happened while the host ran the thread of vCPU k. Each slice of that thread allows it the
 * offsets from its begin minus t to its end minus t. Each event votes for the offsets that it allows; a sweep over the ends of
 * those intervals finds the offsets with most votes. Of thousands of events only a few microseconds fit all.
 */
import type { Interval } from "./interval.ts";
import { RangeSorter } from "./sort-within.ts";
import type { VcpuSlices } from "./vcpu-slices.ts";
import type { TimeList } from "./time-list.ts";

/** `times`: events of one vCPU in order, ns of the guest's clock: values[start] to values[end - 1]. */
export type VcpuEvents = {
  readonly times: Pick<TimeList, "values" | "start" | "end">;
  readonly slices: VcpuSlices;
};

export type Vote = {
  /** The offsets with most votes: all where the votes are no fewer than the most, less those of the events that do not fit. */
  readonly offset: Interval;
  readonly inside: number;
  readonly events: number;
  /** Most votes of an offset that is further than `apart` from those. */
  readonly runnerUp: number;
};

/** For offsets at the time `middle` of the guest. */
export type SweepOptions = {
  readonly middle: number;
  /** Of each vCPU one event in so many votes, in no regular order: events may come in one. */
  readonly stride?: number;
  /** The offset grows by so much with each ns, and by up to `rate` more or less. */
  readonly drift?: number;
  readonly rate?: number;
  /** Time stamps are off by this at most. */
  readonly stampNs?: number;
  /** Of the events that do not fit the true offset so many may fit the best one. */
  readonly spare?: number;
};

/** Kept from sweep to sweep: memory of the intervals' ends. One that reaches beyond the range has no end there. */
export class Ballot {
  #lows = new Float64Array(4096);
  #highs = new Float64Array(4096);
  /** Offsets at which an interval begins or ends, in order, and how many intervals hold each: between them there are no more. */
  #points = new Float64Array(8192);
  #votes = new Int32Array(8192);
  #lowCount = 0;
  #highCount = 0;
  /** Intervals that hold the lowest offset of the range. */
  #first = 0;
  #events = 0;
  readonly #sorter = new RangeSorter();

  /** `apart`: ns. */
  sweep(vcpus: readonly VcpuEvents[], range: Interval, apart: number, how: SweepOptions): Vote {
    this.#lowCount = 0;
    this.#highCount = 0;
    this.#first = 0;
    this.#events = 0;
    for (const { times, slices } of vcpus) slices.withOpen(() => this.#collect(times, slices, range, how));
    const count = this.#walk(range);
    const points = this.#points;
    const votes = this.#votes;
    let best = 0;
    for (let index = 1; index < count; index++) if ((votes[index] ?? 0) > (votes[best] ?? 0)) best = index;
    const most = votes[best] ?? 0;
    const at = points[best] ?? range.low;
    const least = most - (this.#events - most) - (how.spare ?? 0);
    let [low, high] = [at, at];
    for (let index = best; index >= 0 && at - (points[index] ?? 0) <= apart; index--)
      if ((votes[index] ?? 0) >= least) low = points[index] ?? low;
    for (let index = best; index < count && (points[index] ?? 0) - at <= apart; index++)
      if ((votes[index] ?? 0) >= least) high = points[index] ?? high;
    // The most votes reach to the next end, which may be further away than `apart`.
    const fewer = this.#highs.subarray(0, this.#highCount).find((end) => end >= at);
    high = Math.max(high, fewer ?? range.high);
    let runnerUp = 0;
    for (let index = 0; index < count; index++) {
      const offset = points[index] ?? 0;
      if (offset < low - apart || offset > high + apart) runnerUp = Math.max(runnerUp, votes[index] ?? 0);
    }
    return { offset: { low, high }, inside: most, events: this.#events, runnerUp };
  }

  #collect(
    times: VcpuEvents["times"],
    { begins, ends }: VcpuSlices,
    { low, high }: Interval,
    { middle, stride = 1, drift = 0, rate = 0, stampNs = 0 }: SweepOptions,
  ): void {
    let first = -1;
    let random = 1;
    for (let index = times.start; index < times.end;) {
      const stamp = times.values[index] ?? 0;
      const time = stamp + drift * (stamp - middle);
      this.#events++;
      if (stride === 1) index++;
      else {
        // Numerical Recipes' generator; its upper bits.
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
        index += 1 + Math.floor((random / 2 ** 32) * (2 * stride - 1));
      }
      const tolerance = stampNs + rate * Math.abs(stamp - middle);
      if (first < 0) first = ends.firstFrom(time + low - tolerance);
      while (first < ends.end && (ends.values[first] ?? 0) < time + low - tolerance) first++;
      for (let slice = first; slice < begins.end;) {
        const begin = (begins.values[slice] ?? 0) - time - tolerance;
        if (begin > high) break;
        let end = (ends.values[slice++] ?? 0) - time + tolerance;
        // An event votes once for an offset.
        while (slice < begins.end && (begins.values[slice] ?? 0) - time - tolerance <= end)
          end = (ends.values[slice++] ?? 0) - time + tolerance;
        if (begin <= low) this.#first++;
        else {
          if (this.#lowCount === this.#lows.length) this.#lows = doubled(this.#lows);
          this.#lows[this.#lowCount++] = begin;
        }
        if (end < high) {
          if (this.#highCount === this.#highs.length) this.#highs = doubled(this.#highs);
          this.#highs[this.#highCount++] = end;
        }
      }
    }
  }

  /** Returns the number of points: the ends of the range, and each other end once. */
  #walk(range: Interval): number {
    const [begins, ends] = [this.#lowCount, this.#highCount];
    const most = begins + ends + 2;
    if (this.#points.length < most) {
      this.#points = new Float64Array(2 * most);
      this.#votes = new Int32Array(2 * most);
    }
    const lows = this.#lows.subarray(0, begins);
    const highs = this.#highs.subarray(0, ends);
    this.#sorter.sort(lows, range.low, range.high);
    this.#sorter.sort(highs, range.low, range.high);
    const points = this.#points;
    const counts = this.#votes;
    let votes = this.#first;
    let count = 0;
    let begun = 0;
    for (let ended = 0, next = range.low; ;) {
      for (; begun < begins && (lows[begun] ?? 0) <= next; begun++) votes++;
      points[count] = next;
      counts[count++] = votes;
      for (; ended < ends && (highs[ended] ?? 0) <= next; ended++) votes--;
      if (next >= range.high) return count;
      const begin = begun < begins ? (lows[begun] ?? 0) : range.high;
      const end = ended < ends ? (highs[ended] ?? 0) : range.high;
      next = begin < end ? begin : end;
    }
  }
}

function doubled(values: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(values.length * 2);
  larger.set(values);
  return larger;
}
