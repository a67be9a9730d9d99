/** Where each window of a guest's events lies: what was found by causality, and around it what that and round trips leave. */
import { timelineLimits } from "../limits.ts";
import type { Followed } from "./follow.ts";
import { halfWidth, type Interval, intersection, isEmpty } from "./interval.ts";
import type { Step } from "./eras.ts";
import { betweenKnots, type Knot, later, type Stretch, stretchIn } from "./knots.ts";

export type Found = Pick<Followed, "events" | "inside"> & {
  readonly stretch: Stretch;
  readonly first: Knot;
  readonly last: Knot;
};

export type PlacedWindow = { readonly from: number; readonly to: number; found: Found | undefined };

/** A window of events. */
export type Placement = Stretch & { readonly method: "causality" | "round trips" };

/** `windows`: in order of time; a jump ends where one of them begins. `rangeAt`: what round trips leave. */
export function placementsOf(
  windows: readonly PlacedWindow[],
  jumps: readonly Step[],
  rangeAt: (time: number) => Interval,
  wanderPpm: number,
): Placement[] {
  /** What was found, if that is more than the round trips told. */
  const narrow = ({ found }: PlacedWindow): Found | undefined => {
    if (found === undefined) return undefined;
    const { bound, at } = found.stretch;
    return bound <= halfWidth(rangeAt(at)) * timelineLimits.syncNarrowerLeast ? found : undefined;
  };
  const beginsAnew = ({ from }: PlacedWindow): boolean => jumps.some(({ to }) => to === from);
  const after: (Knot | undefined)[] = [];
  let next: Knot | undefined;
  for (let index = windows.length - 1; index >= 0; index--) {
    after[index] = next;
    const window = windows[index];
    if (window !== undefined) next = beginsAnew(window) ? undefined : (narrow(window)?.first ?? next);
  }
  let before: Knot | undefined;
  return windows.map((window, index) => {
    if (beginsAnew(window)) before = undefined;
    const found = narrow(window);
    const near = nearBy(before, after[index], wanderPpm);
    before = found?.last ?? before;
    if (found !== undefined) return { ...found.stretch, method: "causality" };
    const left = (time: number): Interval => {
      const [range, around] = [rangeAt(time), near(time)];
      const both = around === undefined ? range : intersection(range, around);
      return isEmpty(both) ? range : both;
    };
    const known = stretchIn(left, window.from, window.to);
    const best = window.found !== undefined && window.found.stretch.bound < known.bound ? window.found.stretch : known;
    return { ...best, method: "round trips" };
  });
}

/** What the windows before and after leave. */
function nearBy(
  before: Knot | undefined,
  after: Knot | undefined,
  wanderPpm: number,
): (time: number) => Interval | undefined {
  if (before !== undefined && after !== undefined) return (time) => betweenKnots(before, after, time, wanderPpm);
  const one = before ?? after;
  return (time) => one && later(one, time);
}
