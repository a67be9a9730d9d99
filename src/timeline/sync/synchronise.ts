/**
 * Places a guest's recording on its host's clock: round trips where there are some, refined by causality where the host's
 * recording has the switches of the guest's vCPU threads.
 */
import { type TimeSample, withParts } from "../../events/trace-metadata.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { traceDatLimits } from "../../trace-dat/limits.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import { EventIterator } from "../event-iterator.ts";
import { timelineLimits } from "../limits.ts";
import { HostSwitches, type RecordedSlices } from "./host-slices.ts";
import { type Interval, middle } from "./interval.ts";
import type { Step } from "./eras.ts";
import { largest, type Stretch, stretchIn } from "./knots.ts";
import { boundsOf, type Point, pointsOf } from "./offset-line.ts";
import type { Placement } from "./placements.ts";
import { refineInSteps } from "./refine.ts";
import type { Refinement } from "./refiner.ts";

/** What is known before: the offset, host time minus guest time, at a time of the guest's clock, both in ns. */
export type KnownOffset = {
  readonly range: (guestTime: number) => Interval;
  readonly guestEpoch: bigint;
  /** Between the times of a step, what it may be as well. */
  readonly other?: (guestTime: number) => Interval | undefined;
  /** Where the offset jumps. */
  readonly steps?: readonly Step[];
  /** When it was measured. */
  readonly at?: readonly number[];
};

export type Synchronisation = {
  /** By time; none where nothing is known. For TIME_SHIFT of the guest's file. */
  readonly samples: readonly TimeSample[];
  /** The truth is no further away, over the whole recording. */
  readonly boundNs: number;
  readonly method: Placement["method"];
  /** Why the offset was not refined. */
  readonly reason?: string;
  readonly events: number;
  readonly inside: number;
  readonly windows: Refinement["windows"];
  /** By time; none where the round trips alone are known. */
  readonly parts: readonly TimelineWindow[];
  /** Those that were known, and others that show where nothing joins what was found before and after. */
  readonly steps: readonly Step<bigint>[];
};

/** How well the offset is known in a part of the guest's recording: a window, or several where there are many. */
type Part<Time> = {
  /** Of the guest's clock. */
  readonly from: Time;
  readonly to: Time;
  readonly boundNs: number;
  /** Causality: in all its windows. */
  readonly method: Placement["method"];
};

export type TimelineWindow = Part<bigint>;
type RelativePart = Part<number>;

/**
 * `known.range` gives offsets of absolute times less `known.guestEpoch`, as doubles: whole numbers of ns below 2^53.
 * `tasks`: by vCPU the host's task, -1 where that is not known.
 */
export type GuestToPlace = {
  readonly source: TraceSource;
  readonly tasks: readonly number[];
  readonly known: KnownOffset;
};

/** One guest alone (synchroniseAll: several). */
export function synchronise(
  host: TraceSource,
  source: TraceSource,
  tasks: readonly number[],
  known: KnownOffset,
): Synchronisation {
  const switches = new HostSwitches(host);
  const steps = synchroniseInSteps(switches, { source, tasks, known });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    switches.readTo(step.value);
  }
}

/** Yields up to which time of its clock the host must be read before it goes on. The guest's own TIME_SHIFT is passed over. */
export function* synchroniseInSteps(
  switches: HostSwitches,
  { source: guest, tasks, known }: GuestToPlace,
): Generator<number, Synchronisation> {
  const unshifted = { ...guest, metadata: withParts(guest.metadata, { timeShift: undefined }) };
  const events = new EventIterator(unshifted);
  const slices = switches.slicesOf(tasks);
  // Offsets of times that count from their own epochs.
  const offsetOfEpochs = Number(slices.epoch - events.epoch);
  const ahead = Number(events.epoch - known.guestEpoch);
  const fromEpochs = ({ low, high }: Interval): Interval => ({
    low: low - offsetOfEpochs,
    high: high - offsetOfEpochs,
  });
  const relative = (time: number): Interval => fromEpochs(known.range(time + ahead));
  const other = (time: number): Interval | undefined => {
    const found = known.other?.(time + ahead);
    return found && fromEpochs(found);
  };
  const { record } = events;
  const times = {
    next: (): boolean => events.next(),
    get cpu(): number {
      return record.cpu;
    },
    get time(): number {
      return record.timestamp;
    },
  };
  const isSteady = switches.clock === "mono_raw" && clockOf(guest.metadata) === "mono_raw";
  const wanderPpm = isSteady ? timelineLimits.syncWanderPpm : timelineLimits.syncDriftPpm;
  const refined = yield* refineInSteps(times, slices, { range: relative, other, wanderPpm });
  const accepted = refined.placements.filter(({ method }) => method === "causality");
  const measured = (known.at ?? [ahead]).map((time) => time - ahead);
  const bursts = withEnds(measured, {
    first: slices.begin - middle(relative(measured[0] ?? 0)),
    last: record.timestamp,
  });
  const steps = stepsOf(
    (known.steps ?? []).map((step) => earlier(step, ahead)),
    refined.jumps,
  );
  const all = refined.placements.length > 0 ? refined.placements : roundTrips(relative, bursts, steps);
  const jumps = steps.map(({ from, to }) => middle({ low: from, high: to })).sort((a, b) => a - b);
  const points = fewer(
    withoutGaps(pointsOf(accepted.length > 0 ? accepted : all, jumps), jumps),
    Math.floor(traceDatLimits.timeSamplesMax / Math.max(1, guest.cpus.length)),
  );
  const bounds = boundsOf(points, all);
  const isJoined = (one: Stretch | undefined): boolean =>
    !steps.some(({ from, to }) => one && one.from < to && one.to > from);
  const parts = fewerParts(all, bounds);
  const joined = bounds.filter((_, index) => isJoined(all[index]));
  const absolute = (time: number): bigint => events.epoch + BigInt(Math.round(time));
  return {
    samples: points.map(({ at, offset }) => ({
      time: absolute(at),
      offset: BigInt(Math.round(offset)) + slices.epoch - events.epoch,
      scaling: 1n,
      fractionBits: 0n,
    })),
    boundNs: largest(joined.length > 0 ? joined : bounds),
    method: accepted.length > 0 ? "causality" : "round trips",
    ...(accepted.length > 0 ? {} : { reason: reasonOf(tasks, slices, refined) }),
    events: refined.events,
    inside: refined.inside,
    windows: refined.windows,
    parts: parts.map(({ from, to, boundNs, method }) => ({ from: absolute(from), to: absolute(to), boundNs, method })),
    steps: steps.map(({ from, to, by }) => ({ from: absolute(from), to: absolute(to), by })),
  };
}

/** And when events were recorded before the first and after the last of them: `first`, by the host, and not before 0. */
function withEnds(times: readonly number[], { first, last }: { first: number; last: number }): readonly number[] {
  const [begin = 0, end = 0] = [times[0], times.at(-1)];
  const from = Math.max(0, first);
  return [...(from < begin ? [from] : []), ...times, ...(last > end ? [last] : [])];
}

/** What was found within a step that was known is that one, and known better. */
function stepsOf(known: readonly Step[], found: readonly Step[]): Step[] {
  const isFound = ({ from, to }: Step): boolean => found.some((step) => step.from >= from && step.to <= to);
  return [...known.filter((step) => !isFound(step)), ...found].sort((a, b) => a.from - b.from);
}

function earlier({ from, to, by }: Step, ns: number): Step {
  return { from: from - ns, to: to - ns, by };
}

/** At most so many: neighbours become one, which is known no better than the worst of them. */
function fewerParts(all: readonly Placement[], bounds: readonly number[]): RelativePart[] {
  const each = Math.ceil(all.length / timelineLimits.syncPartsTold);
  const parts: RelativePart[] = [];
  for (const [index, { from, to, method }] of all.entries()) {
    const boundNs = bounds[index] ?? 0;
    const last = parts.at(-1);
    if (last === undefined || index % each === 0) parts.push({ from, to, boundNs, method });
    else
      parts[parts.length - 1] = {
        from: last.from,
        to,
        boundNs: Math.max(last.boundNs, boundNs),
        method: last.method === method ? method : "round trips",
      };
  }
  return parts;
}

/** Where no window of events has a range: between the bursts, but where the offset jumps. */
function roundTrips(
  range: (time: number) => Interval,
  bursts: readonly number[],
  steps: readonly Step[],
): readonly Placement[] {
  const found: Placement[] = [];
  for (const [index, at] of bursts.entries()) {
    const next = bursts[index + 1];
    const isJump = steps.some(({ from, to }) => next !== undefined && at < to && next > from);
    if (next !== undefined && !isJump) found.push({ ...stretchIn(range, at, next), method: "round trips" });
    else if (found.at(-1)?.to !== at) found.push({ ...stretchIn(range, at, at), method: "round trips" });
  }
  return found;
}

function reasonOf(tasks: readonly number[], slices: RecordedSlices, { placements }: Refinement): string {
  if (tasks.every((task) => task <= 0)) return "the threads of its vCPUs are not known";
  if (slices.switches === 0) return "no sched_switch of its vCPU threads on the host";
  if (placements.length === 0) return "no event of it while the host was recorded";
  return "no offset fits its events clearly";
}

/**
 * trace-cmd multiplies the time between two samples by what their offsets differ by, in 64 bits: gaps are filled. At a jump the
 * offset before it counts up to it.
 */
function withoutGaps(points: readonly Point[], jumps: readonly number[]): readonly Point[] {
  const samples: Point[] = [];
  for (const { at, offset } of points) {
    const last = samples.at(-1);
    const jump = jumps.find((time) => last !== undefined && time > last.at + 1 && time < at - 1);
    if (jump !== undefined && last !== undefined)
      samples.push({ at: jump - 1, offset: last.offset }, { at: jump + 1, offset });
    else if (last !== undefined) {
      const steps = Math.floor((at - last.at) / timelineLimits.syncSampleMaxNs);
      for (let step = 1; step <= steps; step++) {
        const share = step / (steps + 1);
        samples.push({ at: last.at + share * (at - last.at), offset: last.offset + share * (offset - last.offset) });
      }
    }
    samples.push({ at, offset });
  }
  return samples;
}

/** At most so many, evenly chosen. */
function fewer(points: readonly Point[], most: number): readonly Point[] {
  const stride = Math.ceil(points.length / Math.max(2, most - 1));
  return stride <= 1 ? points : points.filter((_, index) => index % stride === 0 || index === points.length - 1);
}
