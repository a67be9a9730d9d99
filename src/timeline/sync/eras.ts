/**
 * Where a clock stepped, by bursts of round trips: it was set, or its machine stood still. What lies between two steps is an era:
 * one offset, that drifts, fits all its bursts.
 */
import { type Interval, intersection, isEmpty, middle } from "./interval.ts";
import { anyRates, later, type Rates, ratesBetween } from "./knots.ts";
import type { Burst } from "./round-trips.ts";

/**
 * Between these times of the guest's clock, of which the second may be the earlier one, the offset changed by so much: the guest's
 * clock was set back, or stood still, where that is more than 0.
 */
export type Step<Time = number> = { readonly from: Time; readonly to: Time; readonly by: number };

/** `bursts`: at least one, in order of time; the first is the one at `index` of all. `rates`: how the offset may grow. */
export type Era = { readonly bursts: readonly Burst[]; readonly index: number; readonly rates: Rates };

/** `steps`: one between each two eras. */
export type Eras = { readonly eras: readonly Era[]; readonly steps: readonly Step[] };

/** `wanderPpm`: the drift changes by no more. */
export class StepFinder {
  readonly #wanderPpm: number;
  #first: Burst | undefined;
  #last: Burst | undefined;

  constructor(wanderPpm: number) {
    this.#wanderPpm = wanderPpm;
  }

  /** In the order in which they were made. One that is empty says that a clock stepped within it: by how much the next one tells. */
  add(burst: Burst): Step | undefined {
    if (isEmpty(burst.offset)) return undefined;
    const last = this.#last;
    const allowed = last && later({ at: last.at, ...last.offset }, burst.at, this.rates);
    const isStep = allowed !== undefined && isEmpty(intersection(allowed, burst.offset));
    if (isStep) this.#first = undefined;
    this.#first ??= burst;
    if (isStep || last === undefined || burst.at >= last.at) this.#last = burst;
    return isStep
      ? { from: last?.at ?? burst.at, to: burst.at, by: middle(burst.offset) - middle(allowed) }
      : undefined;
  }

  /** Of the era that goes on. */
  get rates(): Rates {
    if (this.#first === undefined || this.#last === undefined) return anyRates;
    const rates = ratesBetween(knotOf(this.#first), knotOf(this.#last), this.#wanderPpm);
    return isEmpty(rates) ? anyRates : rates;
  }
}

export function erasOf(bursts: readonly Burst[], wanderPpm: number): Eras {
  const finder = new StepFinder(wanderPpm);
  const steps: Step[] = [];
  const eras: { bursts: Burst[]; index: number; rates: Rates }[] = [];
  for (const [index, burst] of bursts.entries()) {
    if (isEmpty(burst.offset)) continue;
    const step = finder.add(burst);
    if (step !== undefined) steps.push(step);
    let era = eras.at(-1);
    if (era === undefined || step !== undefined) eras.push((era = { bursts: [], index, rates: anyRates }));
    // A clock that steps back by less than the bursts tell apart.
    if (burst.at >= (era.bursts.at(-1)?.at ?? -Infinity)) era.bursts.push(burst);
    era.rates = finder.rates;
  }
  return { eras, steps };
}

/** Before its first burst, and after its last one. */
export function outside({ bursts, rates }: Era, time: number): Interval | undefined {
  const [first, last] = [bursts[0], bursts.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  if (time <= first.at) return later({ at: first.at, ...first.offset }, time, rates);
  return time >= last.at ? later({ at: last.at, ...last.offset }, time, rates) : undefined;
}

function knotOf({ at, offset }: Burst): { at: number; low: number; high: number; reach: number } {
  return { at, reach: 0, ...offset };
}
