/**
 * Places a guest's events on its host's clock: the range of offsets that round trips leave is narrowed, window by window, to
 * the offsets for which the events lie within their vCPUs' time on a CPU. The first place is found by a vote (window-vote.ts), and
 * followed from there in both directions (follow.ts). A window in which that fails keeps what the round trips leave, and what a
 * drift can make of its neighbours. Holds one window of events and the slices that can matter to it, and before the first clear
 * vote some more.
 */
import { timelineLimits } from "../limits.ts";
import { follow, type Followed } from "./follow.ts";
import { halfWidth, hull, type Interval, intersection, isEmpty, middle, widened } from "./interval.ts";
import type { Step } from "./eras.ts";
import { anyRates, type Knot, later, type Rates, ratesBetween, stretchOf } from "./knots.ts";
import { type Found, type Placement, placementsOf, type PlacedWindow } from "./placements.ts";
import { TimeList } from "./time-list.ts";
import type { VcpuSlices } from "./vcpu-slices.ts";
import { Ballot } from "./votes.ts";
import { type EventWindow, WindowVote } from "./window-vote.ts";

/** The host's side. */
export type HostSlices = {
  /** By vCPU; undefined where the thread of one is not known. */
  readonly vcpus: readonly (VcpuSlices | undefined)[];
  /** From here to there the host was recorded; `end` grows while it is read. */
  readonly begin: number;
  readonly end: number;
  /** Reads on until all up to `time` of the host's clock is known, or the recording ends. */
  readTo(time: number): void;
};

export type Refinement = {
  readonly placements: readonly Placement[];
  /** Events of windows that were accepted, and those of them that lie within their vCPU's time. */
  readonly events: number;
  readonly inside: number;
  readonly windows: { readonly accepted: number; readonly refused: number };
  /** Between these times no drift joins what was found before and after: a clock was set, or the guest stood still. */
  readonly jumps: readonly Step[];
};

/** What is known before. */
export type KnownBefore = {
  /** What the round trips leave of the offset at a time of the guest's clock; and what they leave as well, where it steps. */
  readonly range: (time: number) => Interval;
  readonly other?: (time: number) => Interval | undefined;
  /** Between windows the drift changes by no more. */
  readonly wanderPpm: number;
};

type Held = { readonly window: EventWindow; readonly entry: PlacedWindow };
type VcpuTimes = { times: TimeList; readonly slices: VcpuSlices };

export class Refiner {
  readonly #host: Omit<HostSlices, "readTo">;
  readonly #rangeAt: (time: number) => Interval;
  readonly #otherAt: (time: number) => Interval | undefined;
  readonly #wanderPpm: number;
  readonly #ballot = new Ballot();
  readonly #finder = new WindowVote(this.#ballot);
  readonly #events: VcpuTimes[] = [];
  readonly #byCpu: (VcpuTimes | undefined)[];
  #hasBegun = false;
  #count = 0;
  #first = 0;
  #last = 0;
  readonly #entries: PlacedWindow[] = [];
  /** Windows from before it is known well where they lie. */
  #held: Held[] = [];
  #isSettled = false;
  /** Where the offset was followed from, and to; and how it may grow. */
  #origin: Knot | undefined;
  #reached: Knot | undefined;
  #rates: Rates = anyRates;
  readonly #jumps: Step[] = [];
  /** Events that were followed so far, and how many of them fit. */
  #voted = 0;
  #inside = 0;

  constructor(host: Omit<HostSlices, "readTo">, { range, other = () => undefined, wanderPpm }: KnownBefore) {
    this.#wanderPpm = wanderPpm;
    this.#host = host;
    this.#rangeAt = range;
    this.#otherAt = other;
    this.#byCpu = host.vcpus.map((slices) => (slices === undefined ? undefined : { times: new TimeList(), slices }));
    for (const vcpu of this.#byCpu) if (vcpu !== undefined) this.#events.push(vcpu);
  }

  add(cpu: number, time: number): void {
    const vcpu = this.#byCpu[cpu];
    // What the host did not record says nothing.
    if (vcpu === undefined || time + this.#rangeAt(time).low < this.#host.begin) return;
    if (this.#count === 0) this.#first = time;
    if (!this.#hasBegun) this.#begin(time);
    this.#last = time;
    this.#count++;
    vcpu.times.push(time);
  }

  /** What the host did before the guest was recorded may be much. */
  #begin(time: number): void {
    this.#hasBegun = true;
    for (const { slices } of this.#events) slices.keepFrom = time + this.#allowed(time).low;
  }

  get holdsEvents(): boolean {
    return this.#count > 0;
  }

  /** Whether the window must be closed before such an event is added. */
  isFull(cpu: number, time: number): boolean {
    if (this.#count === 0 || this.#byCpu[cpu] === undefined) return false;
    const age = time - this.#first;
    const { syncWindowEvents, syncWindowMaxEvents, syncWindowNs, syncWindowMaxNs } = timelineLimits;
    if (this.#count >= syncWindowMaxEvents || age >= syncWindowMaxNs) return true;
    return this.#count >= syncWindowEvents && age >= syncWindowNs;
  }

  /** The host must be known up to there before the window is closed. */
  get needed(): number {
    return this.#last + this.#around().high;
  }

  finish(): Refinement {
    const last = this.#held.pop()?.entry.found;
    if (last !== undefined) this.#followBack(last.first);
    const placements = placementsOf(this.#entries, this.#jumps, this.#rangeAt, this.#wanderPpm);
    const accepted = this.#entries.filter((_, index) => placements[index]?.method === "causality");
    return {
      placements,
      events: accepted.reduce((sum, { found }) => sum + (found?.events ?? 0), 0),
      inside: accepted.reduce((sum, { found }) => sum + (found?.inside ?? 0), 0),
      windows: { accepted: accepted.length, refused: placements.length - accepted.length },
      jumps: this.#jumps,
    };
  }

  close(): void {
    const host = this.#host;
    const range = this.#rangeAt(this.#middle());
    const all = this.#around();
    // Beyond its end the host ran what nobody knows.
    while (this.#last + range.high > host.end && this.#count > 0) this.#dropLast(host.end - range.high);
    if (this.#count > 0) this.#place();
    for (const vcpu of this.#events) {
      vcpu.times.clear();
      vcpu.slices.forget(this.#firstHeld() + all.low);
    }
    this.#count = 0;
  }

  #middle(): number {
    return middle({ low: this.#first, high: this.#last });
  }

  /** All that the offset may be about the window. */
  #around(): Interval {
    return this.#allowed(this.#middle());
  }

  #dropLast(end: number): void {
    this.#last = this.#first;
    this.#count = 0;
    for (const { times } of this.#events) {
      while (times.length > 0 && (times.values[times.end - 1] ?? 0) > end) times.end--;
      this.#count += times.length;
      if (times.length > 0) this.#last = Math.max(this.#last, times.values[times.end - 1] ?? 0);
    }
  }

  #place(): void {
    const window: EventWindow = { from: this.#first, to: this.#last, vcpus: this.#events, count: this.#count };
    const entry: PlacedWindow = { from: window.from, to: window.to, found: undefined };
    this.#entries.push(entry);
    const followed = this.#followOn(window) ?? this.#search(window);
    const found = followed && this.#found(window, followed);
    entry.found = found;
    this.#reached = found?.last ?? this.#reached;
    if (found !== undefined && this.#knowsRates()) this.#followBack(found.first);
    else if (!this.#isSettled) this.#hold(window, entry);
  }

  /** Not before that is the begin of the recording placed as well as the rest. */
  #knowsRates(): boolean {
    const wander = Math.min(anyRates.high, this.#wanderPpm / 1e6);
    return halfWidth(this.#rates) <= wander * timelineLimits.syncRatesKnown;
  }

  /** From the window before. */
  #followOn(window: EventWindow): Followed | undefined {
    if (this.#reached === undefined) return undefined;
    const start = later(this.#reached, window.from, this.#rates);
    if (halfWidth(start) > timelineLimits.syncFollowNs) return undefined;
    return this.#follow(window, { ...start, at: window.from });
  }

  /** By a vote; where that is not clear after a long time without events, by what is left of what was known before. */
  #search(window: EventWindow): Followed | undefined {
    const before = this.#reached;
    const at = middle({ low: window.from, high: window.to });
    const other = this.#otherAt(at);
    const vote = this.#finder.find(window, this.#rangeAt(at)) ?? (other && this.#finder.find(window, other));
    if (vote === undefined) return before && this.#follow(window, { ...later(before, window.from), at: window.from });
    const voted = widened(vote.offset, timelineLimits.syncApartNs);
    const joined = before === undefined ? voted : intersection(voted, later(before, at));
    const followed = this.#follow(window, { ...(isEmpty(joined) ? voted : joined), at }, vote);
    const first = followed?.knots[0];
    if (first !== undefined && before !== undefined && isEmpty(joined)) {
      this.#origin = first;
      this.#jumps.push({ from: before.at, to: window.from, by: middle(first) - middle(before) });
    }
    return followed;
  }

  /** With the rates that are known by then; else with any, which leave less known. */
  #follow(
    window: EventWindow,
    start: Omit<Knot, "reach">,
    counted = { events: this.#voted, inside: this.#inside },
  ): Followed | undefined {
    const strays = (counted.events - counted.inside) / Math.max(1, counted.events);
    const followAt = (rates: Rates): Followed | undefined =>
      follow(this.#ballot, window.vcpus, start, { range: (time) => this.#allowed(time), rates, strays });
    let found = followAt(this.#rates);
    if (found === undefined && this.#rates !== anyRates) {
      this.#rates = anyRates;
      this.#origin = undefined;
      found = followAt(anyRates);
    }
    for (let again = 0; again < timelineLimits.syncFollowAgain && found !== undefined; again++) {
      const rates = this.#ratesAfter(found);
      if (halfWidth(rates) > halfWidth(this.#rates) * timelineLimits.syncRatesLess) break;
      const closer = followAt(rates);
      if (closer === undefined) break;
      this.#rates = rates;
      found = closer;
    }
    return found;
  }

  #allowed(time: number): Interval {
    const range = this.#rangeAt(time);
    return hull(range, this.#otherAt(time) ?? range);
  }

  /** The longer an offset was followed, the better is known how it grows. */
  #ratesAfter({ knots }: Followed): Rates {
    const [first, last] = [knots[0], knots.at(-1)];
    if (first === undefined || last === undefined) return anyRates;
    this.#origin ??= first;
    const begin = this.#origin.at < first.at ? this.#origin : first;
    return intersection(this.#rates, ratesBetween(begin, last, this.#wanderPpm));
  }

  #found(window: EventWindow, { knots, events, inside }: Followed): Found | undefined {
    const [first, last] = [knots[0], knots.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    this.#voted += events;
    this.#inside += inside;
    return { stretch: stretchOf(knots, window.from, window.to, this.#rates), first, last, events, inside };
  }

  #hold(window: EventWindow, entry: PlacedWindow): void {
    const { syncHeldWindows, syncWindowMaxEvents, syncIntervalsMax } = timelineLimits;
    this.#held.push({ entry, window: { ...window, vcpus: window.vcpus.map((vcpu) => ({ ...vcpu })) } });
    for (const vcpu of this.#events) vcpu.times = new TimeList();
    const isTooMuch = (): boolean =>
      this.#held.length > syncHeldWindows ||
      this.#held.reduce((sum, { window: { count } }) => sum + count, 0) > syncWindowMaxEvents ||
      this.#events.reduce((sum, { slices }) => sum + slices.begins.length, 0) > syncIntervalsMax;
    while (this.#held.length > 0 && isTooMuch()) {
      this.#held.shift();
      const from = this.#firstHeld();
      for (const { slices } of this.#events) slices.forget(from + this.#rangeAt(from).low);
    }
  }

  /** No event before that is needed any more. */
  #firstHeld(): number {
    return this.#held[0]?.window.from ?? this.#last;
  }

  #followBack(from: Knot): void {
    let reached = from;
    for (const { window, entry } of this.#held.reverse()) {
      const followed = this.#follow(window, reached);
      if (followed === undefined) break;
      entry.found = this.#found(window, followed);
      reached = entry.found?.first ?? reached;
    }
    this.#held = [];
    this.#isSettled = true;
  }
}
