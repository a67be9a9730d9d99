/** The range of offsets that bursts of round trips leave at any time: between two bursts what both allow, outside the nearer one. */
import { timelineLimits } from "../limits.ts";
import { type Interval, isEmpty } from "./interval.ts";
import { betweenKnots, later } from "./knots.ts";
import { type Burst, stepped } from "./round-trips.ts";

/** Between these times one of the clocks was set, or the guest stood still. */
export type Step<Time = number> = { readonly from: Time; readonly to: Time; readonly by: number };

/** `bursts`: in order of time; at least one that is not empty. `wanderPpm`: between two, the drift changes by no more. */
export function rangeBetween(bursts: readonly Burst[], wanderPpm: number): (time: number) => Interval {
  const sound = bursts.filter(({ offset }) => !isEmpty(offset));
  const [first] = sound;
  if (first === undefined) throw new RangeError("no burst");
  let index = 0;
  return (time) => {
    while (index > 0 && (sound[index]?.at ?? 0) > time) index--;
    while ((sound[index + 1]?.at ?? Infinity) <= time) index++;
    const before = sound[index] ?? first;
    const after = sound[index + 1];
    if (after === undefined || time < before.at) return drifted(before, time);
    if (stepped(before, after, timelineLimits.syncDriftPpm))
      return drifted(time - before.at < after.at - time ? before : after, time);
    return betweenKnots({ at: before.at, ...before.offset }, { at: after.at, ...after.offset }, time, wanderPpm);
  };
}

/** Where the offset steps between two bursts: what it is if the step is on the other side than `rangeBetween` takes it to be. */
export function otherBetween(bursts: readonly Burst[]): (time: number) => Interval | undefined {
  const sound = bursts.filter(({ offset }) => !isEmpty(offset));
  const steps = sound.slice(1).flatMap((after, index) => {
    const before = sound[index];
    return before !== undefined && stepped(before, after, timelineLimits.syncDriftPpm) ? [{ before, after }] : [];
  });
  return (time) => {
    const step = steps.find(({ before, after }) => time > before.at && time < after.at);
    if (step === undefined) return undefined;
    const { before, after } = step;
    return drifted(time - before.at < after.at - time ? after : before, time);
  };
}

/** Where no offset fits both of two bursts. Their middle is taken for the time of the step. */
export function stepsBetween(bursts: readonly Burst[]): Step[] {
  const sound = bursts.filter(({ offset }) => !isEmpty(offset));
  return sound.slice(1).flatMap((after, index) => {
    const before = sound[index];
    if (before === undefined || !stepped(before, after, timelineLimits.syncDriftPpm)) return [];
    return [{ from: before.at, to: after.at, by: after.offset.low - before.offset.low }];
  });
}

function drifted({ at, offset }: Burst, time: number): Interval {
  return later({ at, ...offset }, time);
}
