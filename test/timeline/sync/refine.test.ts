/** Causality finds the offset between a guest's clock and its host's, on schedules of which the truth is known. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Placement } from "../../../src/timeline/sync/placements.ts";
import { refine } from "../../../src/timeline/sync/refine.ts";
import type { Refinement } from "../../../src/timeline/sync/refiner.ts";
import type { Interval } from "../../../src/timeline/sync/interval.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";
import { makeSchedule, type Schedule, type ScheduleOptions } from "./schedules.ts";

/** A range of round trips as a loaded machine gives it, with the truth somewhere in it. */
function around({ offsetAt }: Schedule, below = 400_000, above = 700_000): (time: number) => Interval {
  return (time) => ({ low: offsetAt(time) - below, high: offsetAt(time) + above });
}

function run(options: ScheduleOptions, range = around): { schedule: Schedule; result: Refinement } {
  const schedule = makeSchedule(options);
  return { schedule, result: refine(schedule.guest, schedule.host, { range: range(schedule), wanderPpm: 50 }) };
}

function errorOf({ at, offset }: Placement, { offsetAt }: Schedule): number {
  return Math.abs(offset - offsetAt(at));
}

test("all events of two vCPUs fit one offset, which is the true one to a few microseconds", () => {
  const { schedule, result } = run({});
  expect(result.windows).toEqual({ accepted: 4, refused: 0 });
  expect(result.inside).toBe(result.events);
  expect(result.events).toBeGreaterThan(schedule.guest.count * 0.99);
  for (const placement of result.placements) {
    expect(placement.method).toBe("causality");
    expect(errorOf(placement, schedule)).toBeLessThan(5_000);
  }
});

test("the truth lies within the bound, whatever the schedule, the drift and the strays", () => {
  const runs = inQuickForm(5, inLongForm(20, 600));
  let refined = 0;
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.nat(),
        vcpus: fc.integer({ min: 1, max: 4 }),
        durationNs: fc.constantFrom(1e9, 3e9),
        offsetNs: fc.integer({ min: -1e12, max: 1e12 }),
        driftPpm: fc.constantFrom(-1, 0, 0.5, 2),
        runNs: fc.integer({ min: 20_000, max: 2_000_000 }),
        waitNs: fc.integer({ min: 50_000, max: 5_000_000 }),
        eventsPerSlice: fc.integer({ min: 1, max: 5 }),
        strayShare: fc.constantFrom(0, 0.003),
      }),
      (options) => {
        const { schedule, result } = run(options);
        if (result.placements.some(({ method }) => method === "causality")) refined++;
        for (const placement of result.placements) {
          // Within a window the offset grows by the drift.
          const drift = Math.abs(options.driftPpm) * 1e-6 * 5e9;
          expect(errorOf(placement, schedule)).toBeLessThanOrEqual(placement.bound + drift);
        }
      },
    ),
    { numRuns: runs },
  );
  expect(refined).toBeGreaterThan(runs / 2);
}, 300_000);

test.each([-90, -10, 12, 60])("clocks that drift apart by %d ppm are followed, and the drift is told", (driftPpm) => {
  const { schedule, result } = run({ driftPpm, durationNs: 6e9 });
  // The last one may have too few events.
  expect(result.windows.accepted).toBeGreaterThanOrEqual(6);
  expect(result.windows.refused).toBeLessThanOrEqual(1);
  expect(result.inside).toBeGreaterThan(result.events * 0.99);
  for (const placement of result.placements.filter(({ method }) => method === "causality")) {
    expect(errorOf(placement, schedule)).toBeLessThan(placement.bound);
    expect(placement.bound).toBeLessThan(12_000);
    expect(Math.abs(placement.drift * 1e6 - driftPpm)).toBeLessThan(8);
  }
});

test("a wrong mapping of vCPUs is refused", () => {
  const { result } = run({ mapped: (vcpu) => 1 - vcpu });
  expect(result.windows.accepted).toBe(0);
  expect(result.placements.every(({ method }) => method === "round trips")).toBeTrue();
});

test("a vCPU that never leaves its CPU narrows nothing, and one beside it that does still places the guest", () => {
  expect(run({ waitNs: 0 }).result.windows.accepted).toBe(0);
  const busy = makeSchedule({ waitNs: 0, vcpus: 1 });
  const idle = makeSchedule({ vcpus: 1, seed: 2 });
  const merged = mergeGuests(busy, idle);
  const result = refine(merged.guest, merged.host, { range: around(idle), wanderPpm: 50 });
  expect(result.windows).toEqual({ accepted: 4, refused: 0 });
  expect(Math.max(...result.placements.map((placement) => errorOf(placement, idle)))).toBeWithin(0, 5_000);
});

test("what the range does not hold is not found, and not told", () => {
  const { schedule, result } = run({}, ({ offsetAt }) => (time) => ({
    low: offsetAt(time) + 300_000,
    high: offsetAt(time) + 1_000_000,
  }));
  expect(schedule.guest.count).toBeGreaterThan(1_000);
  expect(result.windows.accepted).toBe(0);
});

test("events before and after the host's recording do not vote", () => {
  const schedule = makeSchedule({ durationNs: 3e9 });
  const { host } = schedule;
  const cut = {
    ...host,
    vcpus: host.vcpus,
    begin: 1e9,
    end: 2e9,
    readTo: (time: number): void => host.readTo(Math.min(time, 2e9)),
  };
  const result = refine(schedule.guest, cut, { range: around(schedule), wanderPpm: 50 });
  expect(result.inside).toBe(result.events);
  expect(result.events).toBeGreaterThan(schedule.guest.count * 0.25);
  expect(result.events).toBeLessThan(schedule.guest.count * 0.4);
});

test("too few events are not enough", () => {
  expect(run({ durationNs: 2e6 }).result.windows).toEqual({ accepted: 0, refused: 1 });
});

/** vCPU 0 of the first, vCPU 1 of the second; the same offset. */
function mergeGuests(first: Schedule, second: Schedule): Pick<Schedule, "guest" | "host"> {
  const events: { cpu: number; time: number }[] = [];
  for (const [cpu, { guest }] of [first, second].entries()) {
    while (guest.next()) events.push({ cpu, time: guest.time });
  }
  events.sort((a, b) => a.time - b.time);
  let index = -1;
  return {
    guest: {
      count: events.length,
      next: () => ++index < events.length,
      get cpu() {
        return events[index]?.cpu ?? 0;
      },
      get time() {
        return events[index]?.time ?? 0;
      },
    },
    host: {
      vcpus: [first.host.vcpus[0], second.host.vcpus[0]],
      begin: 0,
      end: first.host.end,
      readTo: (time) => {
        first.host.readTo(time);
        second.host.readTo(time);
      },
    },
  };
}
