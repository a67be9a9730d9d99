/** The range of offsets that bursts of round trips leave at any time: between two bursts what both allow, outside the nearer one. */
import { type Era, type Eras, outside } from "./eras.ts";
import type { Interval } from "./interval.ts";
import { betweenKnots } from "./knots.ts";

/** At least one burst that is not empty. `wanderPpm`: between two, the drift changes by no more. */
export function rangeBetween({ eras }: Eras, wanderPpm: number): (time: number) => Interval {
  const ranges = eras.map((era) => rangeIn(era, wanderPpm));
  const [first] = ranges;
  if (first === undefined) throw new RangeError("no burst");
  // Asked for each event.
  if (ranges.length === 1) return first;
  return (time) => (ranges[nearestOf(eras, time)] ?? first)(time);
}

/** Where the offset steps between two bursts: what it is if the step is on the other side than `rangeBetween` takes it to be. */
export function otherBetween({ eras }: Eras): (time: number) => Interval | undefined {
  return (time) => {
    const nearest = nearestOf(eras, time);
    const era = eras[nearest];
    if (era === undefined) return undefined;
    const isAfter = time > (era.bursts.at(-1)?.at ?? time);
    const isBefore = time < (era.bursts[0]?.at ?? time);
    const other = isAfter ? eras[nearest + 1] : isBefore ? eras[nearest - 1] : undefined;
    return other && outside(other, time);
  };
}

function nearestOf(eras: readonly Era[], time: number): number {
  const next = eras.findIndex(({ bursts }) => (bursts[0]?.at ?? Infinity) > time);
  if (next <= 0) return next < 0 ? eras.length - 1 : 0;
  const [end, begin] = [eras[next - 1]?.bursts.at(-1)?.at ?? -Infinity, eras[next]?.bursts[0]?.at ?? Infinity];
  return time - end < begin - time ? next - 1 : next;
}

function rangeIn(era: Era, wanderPpm: number): (time: number) => Interval {
  const knots = era.bursts.map(({ at, offset: { low, high } }) => ({ at, low, high }));
  let index = 0;
  return (time) => {
    while (index > 0 && (knots[index]?.at ?? 0) > time) index--;
    while ((knots[index + 1]?.at ?? Infinity) <= time) index++;
    const [before, after] = [knots[index], knots[index + 1]];
    if (before !== undefined && after !== undefined && time >= before.at)
      return betweenKnots(before, after, time, wanderPpm);
    return outside(era, time) ?? { low: -Infinity, high: Infinity };
  };
}
