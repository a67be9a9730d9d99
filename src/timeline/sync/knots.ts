/** What is known of an offset at moments, and so at any time between them: clocks drift apart by no more than they can. */
import { timelineLimits } from "../limits.ts";
import { type Interval, intersection, widened } from "./interval.ts";

/** `at`: of the guest's clock. `reach`: it is asked for so far before and after that. */
export type Knot = Interval & { readonly at: number; readonly reach: number };

/** How an offset goes over a stretch of the guest's clock: nowhere is the truth further from the line than `bound`. */
export type Stretch = {
  readonly from: number;
  readonly to: number;
  /** In the middle of the stretch. */
  readonly at: number;
  readonly offset: number;
  /** How the offset grows by ns. */
  readonly drift: number;
  readonly bound: number;
  /** What is known of it in each part: with this drift the truth stays between `low` and `high`, `reach` before and after `at`. */
  readonly parts: readonly Knot[];
};

/** How the offset grows by ns: between these. */
export type Rates = Interval;

const fastest = timelineLimits.syncDriftPpm / 1e6;

/** Of clocks of which nothing is known. */
export const anyRates: Rates = { low: -fastest, high: fastest };

/** What is left of it at another time. */
export function later({ low, high, at }: Omit<Knot, "reach">, time: number, rates: Rates = anyRates): Interval {
  const gone = time - at;
  const [less, more] = gone >= 0 ? [rates.low, rates.high] : [rates.high, rates.low];
  return { low: low + less * gone, high: high + more * gone };
}

/** From what is known at two times: no rate is further than `wanderPpm` from another, and so from their mean. */
export function ratesBetween(before: Knot, after: Knot, wanderPpm: number): Rates {
  const gone = after.at - before.at;
  if (!(gone > 0)) return anyRates;
  const wander = wanderPpm / 1e6;
  const mean = { low: (after.low - before.high) / gone, high: (after.high - before.low) / gone };
  return intersection(widened(mean, wander), anyRates);
}

/** On the way from one to another: along the line between them, and away from it as far as the rate may change. */
export function betweenKnots(
  before: Omit<Knot, "reach">,
  after: Omit<Knot, "reach">,
  time: number,
  wanderPpm: number,
): Interval {
  const [gone, left] = [time - before.at, after.at - time];
  const share = gone / Math.max(1, gone + left);
  const line = {
    low: before.low + share * (after.low - before.low),
    high: before.high + share * (after.high - before.high),
  };
  // Furthest away where it grows by one rate first and by the other then.
  const even = widened(line, (Math.min(gone, left) * wanderPpm) / 2e6);
  return intersection(even, intersection(later(before, time), later(after, time)));
}

/** Each by what its neighbours leave of it. In order of time; each touches the ranges of its neighbours. */
export function narrowed(knots: readonly Knot[], rates: Rates): Knot[] {
  const found = [...knots];
  const narrow = (index: number, by: number): void => {
    const [knot, neighbour] = [found[index], found[by]];
    if (knot === undefined || neighbour === undefined) return;
    found[index] = { ...knot, ...intersection(knot, later(neighbour, knot.at, rates)) };
  };
  for (let index = 1; index < found.length; index++) narrow(index, index - 1);
  for (let index = found.length - 2; index >= 0; index--) narrow(index, index + 1);
  return found;
}

/** The line through the middles of the knots, the narrower the nearer; and how far the truth may be from it. */
export function stretchOf(knots: readonly Knot[], from: number, to: number, rates: Rates = anyRates): Stretch {
  const at = from + (to - from) / 2;
  let [weights, times, offsets] = [0, 0, 0];
  for (const knot of knots) {
    const weight = weightOf(knot);
    weights += weight;
    times += weight * (knot.at - at);
    offsets += weight * middleOf(knot);
  }
  const [time, offset] = [times / weights, offsets / weights];
  let [square, product] = [0, 0];
  for (const knot of knots) {
    const weight = weightOf(knot);
    square += weight * (knot.at - at - time) ** 2;
    product += weight * (knot.at - at - time) * (middleOf(knot) - offset);
  }
  const drift = square === 0 ? 0 : Math.max(rates.low, Math.min(rates.high, product / square));
  const middle = offset - drift * time;
  const parts = partsOf(knots, drift, rates);
  const line = (time: number): number => middle + drift * (time - at);
  const bound = largest(parts.map((part) => awayFrom(part, drift, line)));
  return { from, to, at, offset: middle, drift, bound, parts };
}

/** How far the truth in such a part may be from a line. */
export function awayFrom({ at, low, high, reach }: Knot, drift: number, line: (time: number) => number): number {
  return largest(
    [-reach, reach].map((gone) => {
      const offset = line(at + gone) - drift * gone;
      return Math.max(offset - low, high - offset);
    }),
  );
}

/** Some knots as one part, so that little is kept of each window. */
function partsOf(knots: readonly Knot[], drift: number, rates: Rates): Knot[] {
  const away = Math.max(rates.high - drift, drift - rates.low);
  const each = Math.ceil(knots.length / timelineLimits.syncStretchParts);
  const parts: Knot[] = [];
  for (let first = 0; first < knots.length; first += each) {
    const some = knots.slice(first, first + each);
    const from = some.reduce((least, knot) => Math.min(least, knot.at - knot.reach), Infinity);
    const to = some.reduce((most, knot) => Math.max(most, knot.at + knot.reach), -Infinity);
    const at = from + (to - from) / 2;
    let [low, high] = [Infinity, -Infinity];
    for (const knot of some) {
      const grown = drift * (at - knot.at);
      low = Math.min(low, knot.low + grown - away * knot.reach);
      high = Math.max(high, knot.high + grown + away * knot.reach);
    }
    parts.push({ at, low, high, reach: (to - from) / 2 });
  }
  return parts;
}

/** Of what is known at any time of a stretch. */
export function stretchIn(range: (time: number) => Interval, from: number, to: number): Stretch {
  const parts = to > from ? stretchParts : 0;
  const reach = parts === 0 ? 0 : (to - from) / parts / 2;
  const knots: Knot[] = [];
  for (let part = 0; part <= parts; part++) {
    const at = parts === 0 ? from : from + ((to - from) * part) / parts;
    knots.push({ at, reach, ...range(at) });
  }
  return stretchOf(knots, from, to);
}

/** A clock that drifts as fast as it can goes 10 us in half of one, in a window of 10 s. */
const stretchParts = 256;

/** Without an argument for each, of which a call takes only so many. */
export function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

function middleOf({ low, high }: Interval): number {
  return low + (high - low) / 2;
}

function weightOf({ low, high }: Interval): number {
  return 1 / Math.max(timelineLimits.syncStampNs, high - low) ** 2;
}
