import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MachineClock } from "../../src/timeline/machine-clock.ts";
import type { TimeSample, TimeShift } from "../../src/events/trace-metadata.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";

const runs = inQuickForm(500, inLongForm(2_000, 100_000));

function sample(time: bigint, offset: bigint, scaling = 1n, fractionBits = 0n): TimeSample {
  return { time, offset, scaling, fractionBits };
}

function shiftOf(interpolated: boolean, ...samples: TimeSample[]): TimeShift {
  return { hostTraceId: 1n, interpolated, samples: [samples] };
}

describe("MachineClock", () => {
  test("applies TIME_SHIFT, then TSC2NSEC, then the offset", () => {
    const timeShift = shiftOf(false, sample(0n, 1000n));
    const clock = new MachineClock(
      { traceClock: "[x86-tsc]", timeShift, ticks: { multiplier: 3, shift: 1 }, timeOffset: 7n },
      0n,
    );
    expect(clock.exactly(0, 11n)).toBe(((1011n * 3n) >> 1n) + 7n);
    expect(clock.inSeconds).toBe(true);
    expect(clock.inNanoseconds).toBe(true);
  });

  test("leaves stamps without options as they are", () => {
    const clock = new MachineClock({ traceClock: "[x86-tsc]", timeOffset: 0n }, 5n);
    expect({ epoch: clock.epoch, seconds: clock.inSeconds, ns: clock.inNanoseconds }).toEqual({
      epoch: 5n,
      seconds: false,
      ns: false,
    });
    expect(clock.converter(0)).toBeUndefined();
  });

  test("one sample is an offset alone, whatever its scaling", () => {
    const clock = new MachineClock(
      { traceClock: "[mono]", timeShift: shiftOf(true, sample(9n, -3n, 5n, 1n)), timeOffset: 0n },
      0n,
    );
    expect(clock.exactly(0, 100n)).toBe(97n);
    expect(clock.exactly(1, 100n)).toBe(100n);
  });

  test("interpolates between samples, and beyond them with the outer pair, rounded as trace-cmd rounds", () => {
    const timeShift = shiftOf(true, sample(100n, 0n), sample(200n, 10n), sample(300n, 0n));
    const clock = new MachineClock({ traceClock: "[mono]", timeShift, timeOffset: 0n }, 0n);
    expect([0n, 100n, 150n, 200n, 250n, 300n, 400n].map((stamp) => clock.exactly(0, stamp))).toEqual([
      -9n,
      100n,
      155n,
      210n,
      256n,
      301n,
      391n,
    ]);
  });

  test("without interpolation takes the earlier sample, and the last one never", () => {
    const timeShift = shiftOf(false, sample(100n, 1n), sample(200n, 2n), sample(300n, 3n));
    const clock = new MachineClock({ traceClock: "[mono]", timeShift, timeOffset: 0n }, 0n);
    expect([50n, 150n, 200n, 299n, 300n, 900n].map((stamp) => clock.exactly(0, stamp) - stamp)).toEqual([
      1n,
      1n,
      2n,
      2n,
      2n,
      2n,
    ]);
  });

  test("interpolates exactly where 64 bits overflow: 3 ms within an hour, in ns", () => {
    const hour = 3600_000_000_000n;
    const timeShift = shiftOf(true, sample(0n, 0n), sample(hour, 3_000_000n));
    const clock = new MachineClock({ traceClock: "[mono]", timeShift, timeOffset: 0n }, 0n);
    expect(clock.exactly(0, hour / 2n)).toBe(hour / 2n + 1_500_000n);
    expect(clock.converter(0)?.(Number(hour / 2n))).toBe(Number(hour / 2n) + 1_500_000);
  });

  test("scales from two samples on", () => {
    const timeShift = shiftOf(false, sample(0n, 5n, 3n, 1n), sample(10n, 5n, 3n, 1n));
    const clock = new MachineClock({ traceClock: "[mono]", timeShift, timeOffset: 0n }, 0n);
    expect(clock.exactly(0, 100n)).toBe(155n);
    expect(clock.converter(0)?.(100)).toBe(Number(155n - clock.epoch));
  });

  test("relative stamps become the same times as whole ones, to the unit", () => {
    const offsets = fc.bigInt({ min: -(1n << 45n), max: 1n << 45n });
    const samples = fc
      .array(fc.tuple(fc.bigInt({ min: 0n, max: 1n << 46n }), offsets), { maxLength: 5 })
      .map((list) => {
        const times = new Map(list);
        return [...times].sort(([a], [b]) => (a < b ? -1 : 1)).map(([time, offset]) => sample(time, offset));
      });
    const ticks = fc.record({
      multiplier: fc.integer({ min: 1, max: 0xffff_ffff }),
      shift: fc.integer({ min: 0, max: 32 }),
    });
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 1n << 45n }),
        fc.array(samples, { maxLength: 2 }),
        fc.option(ticks, { nil: undefined }),
        offsets,
        fc.integer({ min: 0, max: 2 ** 43 }),
        (first, lists, rate, timeOffset, stamp) => {
          // Without interpolation: with it a half may be rounded the other way.
          const timeShift = { hostTraceId: 1n, interpolated: false, samples: lists };
          const clock = new MachineClock({ traceClock: "[x86-tsc]", timeShift, ticks: rate, timeOffset }, first);
          for (const cpu of [0, 1]) {
            const exact = clock.exactly(cpu, first + BigInt(stamp)) - clock.epoch;
            // Beyond it no double is exact.
            if (exact > 2n ** 53n || exact < -(2n ** 53n)) continue;
            expect(clock.converter(cpu)?.(stamp) ?? stamp).toBe(Number(exact));
          }
        },
      ),
      { numRuns: runs },
    );
  });
});
