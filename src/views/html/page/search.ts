/** Places in rows by time. */
import type { Intervals } from "./model.ts";

/** The first place whose value is at least `least`. */
export function lowerBound(values: Float64Array, least: number, count = values.length): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The same, where it is probably near `from`: most places of a picture are. */
export function lowerBoundFrom(values: Float64Array, least: number, from: number, count: number): number {
  let step = 1;
  let low = from;
  while (low + step < count && (values[low + step] ?? 0) < least) {
    low += step;
    step *= 2;
  }
  let high = Math.min(count, low + step);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The interval that holds the time; else the nearest within `reach`; -1 none. */
export function intervalAt({ count, start, end }: Intervals, time: number, reach: number): number {
  const next = lowerBound(start, time, count);
  let best = -1;
  let distance = reach;
  // Some lie within others: the innermost begins last.
  for (let at = next; at >= Math.max(0, next - 8); at--) {
    if (at >= count) continue;
    const away = Math.max((start[at] ?? 0) - time, time - (end[at] ?? 0), 0);
    if (best < 0 ? away > distance : away >= distance) continue;
    best = at;
    distance = away;
  }
  return best;
}
