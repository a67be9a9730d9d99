/** The bound that is told holds at every event of a guest, whatever its clock does and wherever its events tell nothing. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { timelineLimits } from "../../../src/timeline/limits.ts";
import { MachineClock } from "../../../src/timeline/machine-clock.ts";
import { erasOf } from "../../../src/timeline/sync/eras.ts";
import { otherBetween, rangeBetween } from "../../../src/timeline/sync/known-range.ts";
import type { Burst } from "../../../src/timeline/sync/round-trips.ts";
import { synchronise, type Synchronisation } from "../../../src/timeline/sync/synchronise.ts";
import { type MadeEvent, madeRecording } from "./made-recording.ts";
import { makeSchedule, mulberry, type Schedule, type ScheduleOptions } from "./schedules.ts";
import { inQuickForm } from "../../support/quick.ts";

const tasks = [101, 102, 103, 104];
const hostEpoch = 7_000_000_000_000n;
const guestEpoch = 300_000_000_000n;
const { syncWanderPpm } = timelineLimits;
const runs = inQuickForm(10, 40);

/** As round trips of a loaded machine leave it: the truth is anywhere in it. */
function burstsOf({ offsetAt }: Schedule, times: readonly number[], seed: number): Burst[] {
  const random = mulberry(seed);
  return times.map((at) => {
    const [below, above] = [50_000 + 600_000 * random(), 50_000 + 600_000 * random()];
    return { at, rounds: 64, offset: { low: offsetAt(at) - below, high: offsetAt(at) + above } };
  });
}

/** Host and guest count from their epochs; the schedule's times are relative to these. */
function synchronised(schedule: Schedule, bursts: readonly Burst[]): Synchronisation {
  const host = schedule.slices.map((slices, vcpu): MadeEvent[] =>
    slices.flatMap(([from, to]) => [
      { time: from, type: "sched_switch" as const, first: 0, second: tasks[vcpu] ?? 0 },
      { time: to, type: "sched_switch" as const, first: tasks[vcpu] ?? 0, second: 0 },
    ]),
  );
  const guest = schedule.slices.map((_, vcpu) =>
    schedule.events.flatMap(({ cpu, time }): MadeEvent[] =>
      cpu === vcpu ? [{ time, type: "mark", first: 1, second: 2 }] : [],
    ),
  );
  const between = Number(hostEpoch - guestEpoch);
  const found = erasOf(bursts, syncWanderPpm);
  const relative = rangeBetween(found, syncWanderPpm);
  const range: typeof relative = (time) => {
    const { low, high } = relative(time);
    return { low: low + between, high: high + between };
  };
  const otherOf = otherBetween(found);
  const other: typeof otherOf = (time) => {
    const found = otherOf(time);
    return found && { low: found.low + between, high: found.high + between };
  };
  const known = {
    range,
    other,
    steps: found.steps,
    guestEpoch,
    at: bursts.map(({ at }) => at),
  };
  return synchronise(
    madeRecording(host, hostEpoch),
    madeRecording(guest, guestEpoch),
    tasks.slice(0, schedule.slices.length),
    known,
  );
}

/** Of the events that both recorded. */
function errorsOf(
  { events, offsetAt, host }: Schedule,
  { samples }: Synchronisation,
): { time: number; error: number }[] {
  const timeShift = { hostTraceId: 1n, interpolated: samples.length > 1, samples: [samples] };
  const clock = new MachineClock({ traceClock: "[mono_raw]", timeShift }, guestEpoch);
  const convert = clock.converter(0) ?? ((stamp: number) => stamp);
  const ahead = Number(clock.epoch - hostEpoch);
  return events
    .filter(({ time }) => time + offsetAt(time) > 0 && time + offsetAt(time) < host.end)
    .map(({ time }) => ({ time, error: Math.abs(convert(time) + ahead - (time + offsetAt(time))) }));
}

function expectBound(schedule: Schedule, result: Synchronisation): void {
  const errors = errorsOf(schedule, result);
  const wrong = errors.filter(({ error }) => error > result.boundNs + 2);
  expect({ bound: result.boundNs, wrong: wrong.slice(0, 5), parts: result.parts.length }).toMatchObject({ wrong: [] });
  for (const { from, to, boundNs } of result.parts) {
    const inPart = errors.filter(({ time }) => time >= Number(from - guestEpoch) && time <= Number(to - guestEpoch));
    const wrongs = inPart.filter(({ error }) => error > boundNs + 2);
    expect({ from, to, boundNs, wrongs: wrongs.slice(0, 5) }).toMatchObject({ wrongs: [] });
  }
}

/** Rates that may follow each other: 50 ppm apart (limits). */
const ppm = fc.integer({ min: -10, max: 40 });

test("the bound holds at every event, with drifts, kinks, strays and parts that tell nothing", () => {
  let narrowed = 0;
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.nat(),
        vcpus: fc.integer({ min: 1, max: 3 }),
        durationNs: fc.constantFrom(1.2e9, 3e9),
        driftPpm: ppm,
        kinks: fc.uniqueArray(fc.record({ at: fc.integer({ min: 1, max: 28 }), ppm }), {
          maxLength: 3,
          selector: ({ at }) => at,
        }),
        silent: fc.constantFrom("none", "busy", "noisy"),
        where: fc.constantFrom([0, 0.4], [0.3, 0.7], [0.6, 1]),
        runNs: fc.integer({ min: 50_000, max: 2_000_000 }),
        waitNs: fc.integer({ min: 500_000, max: 5_000_000 }),
        strayShare: fc.constantFrom(0, 0.002),
      }),
      ({ silent, where, kinks, ...options }) => {
        const { durationNs } = options;
        const span = [(where[0] ?? 0) * durationNs, (where[1] ?? 0) * durationNs] as const;
        const schedule = makeSchedule({
          ...options,
          kinks: kinks.toSorted((a, b) => a.at - b.at).map((kink) => ({ at: kink.at * 1e8, ppm: kink.ppm })),
          ...(silent === "none" ? {} : { [silent]: span }),
        });
        const result = synchronised(schedule, burstsOf(schedule, [0, durationNs], options.seed));
        if (result.method === "causality") narrowed++;
        expectBound(schedule, result);
      },
    ),
    { numRuns: runs, seed: 7 },
  );
  // Most of them are no mere round trips.
  expect(narrowed).toBeGreaterThan(runs / 2);
}, 300_000);

describe("one clear window", () => {
  const quiet = { vcpus: 2, durationNs: 4e9, runNs: 300_000, waitNs: 700_000 };

  test.each([
    ["in the middle, and a drift of 50 ppm", { ...quiet, driftPpm: 50, noisy: [1.2e9, 4e9] }],
    ["at the end, and a drift of -50 ppm", { ...quiet, driftPpm: -50, noisy: [0, 2.6e9] }],
    [
      "at the begin, and a clock that slows down in what is not clear",
      { ...quiet, noisy: [1.2e9, 4e9], kinks: [{ at: 2e9, ppm: -40 }] },
    ],
    ["of vCPUs that never wait else", { ...quiet, driftPpm: 20, busy: [1.5e9, 4e9], kinks: [{ at: 3e9, ppm: -20 }] }],
  ] satisfies [string, ScheduleOptions][])("%s: the others are told with theirs", (_, options) => {
    const schedule = makeSchedule(options);
    const result = synchronised(schedule, burstsOf(schedule, [0, 4e9], 3));
    expect(result).toMatchObject({ method: "causality" });
    const bounds = result.parts.map(({ boundNs }) => boundNs);
    expect(Math.min(...bounds)).toBeLessThan(30_000);
    expect(Math.max(...bounds)).toBeGreaterThan(60_000);
    expectBound(schedule, result);
  });
});

test("an offset is followed through windows in which the drift changes by 50 ppm", () => {
  const kinks = [
    { at: 1.5e9, ppm: 10 },
    { at: 2.4e9, ppm: 60 },
  ];
  const schedule = makeSchedule({ driftPpm: 60, kinks, durationNs: 3e9 });
  const result = synchronised(schedule, burstsOf(schedule, [0, 3e9], 5));
  expect(result).toMatchObject({ method: "causality", windows: { refused: 0 } });
  expect(result.boundNs).toBeLessThan(60_000);
  expectBound(schedule, result);
});

test("round trips alone: the drift may change between two bursts", () => {
  const schedule = makeSchedule({ driftPpm: -50, kinks: [{ at: 6e9, ppm: 0 }], durationNs: 12e9, waitNs: 20e6 });
  const bursts = burstsOf(schedule, [0, 12e9], 8);
  const result = synchronised({ ...schedule, slices: schedule.slices.map(() => []) }, bursts);
  expect(result).toMatchObject({ method: "round trips" });
  expectBound(schedule, result);
});

describe("a guest that stands still", () => {
  const options = { durationNs: 9e9, runNs: 200_000, waitNs: 500_000 };

  test.each([
    ["early", [[2e9, 4e9]]],
    ["late", [[6e9, 7e9]]],
    [
      "twice",
      [
        [3e9, 4e9],
        [5e9, 6e9],
      ],
    ],
  ] satisfies [string, [number, number][]][])(
    "%s between two bursts is placed before and after; where it stood is told",
    (_, paused) => {
      const stoodNs = paused.reduce((sum, [from, to]) => sum + to - from, 0);
      const schedule = makeSchedule({ ...options, paused });
      const result = synchronised(schedule, burstsOf(schedule, [0, 9e9 - stoodNs], 4));
      expect(result).toMatchObject({ method: "causality" });
      expect(result.boundNs).toBeLessThan(60_000);
      const [step, ...others] = result.steps;
      expect(others).toEqual([]);
      expect(Math.abs((step?.by ?? 0) - stoodNs)).toBeLessThan(200_000);
      const [from, to] = [step?.from, step?.to].map((time = 0n) => Number(time - guestEpoch)) as [number, number];
      const stood = (paused[0]?.[0] ?? 0) - schedule.offsetAt(0);
      expect(stood).toBeWithin(from - 1e6, to + 1e6);
      expect(to - from).toBeLessThan(3e9);
      const errors = errorsOf(schedule, result).filter(({ time }) => time < from || time > to);
      expect(Math.max(...errors.map(({ error }) => error))).toBeLessThan(result.boundNs + 2);
    },
  );
});
