/** What users are told of a machine's offset, and what is known of it anew and between two eras. */
import { expect, test } from "bun:test";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";
import { knownShift } from "../../../src/timeline/sync/known-shift.ts";
import { rangeBetween } from "../../../src/timeline/sync/known-range.ts";
import { joinOffsets, toldOffset } from "../../../src/timeline/sync/told-offset.ts";

const counts = { samples: 2, events: 10, inside: 9 };
const sample = { time: 0n, offset: 100n, scaling: 1n, fractionBits: 0n };

test("of several recordings of a machine the worst counts: its method, and the largest bound", () => {
  const clear = { ns: "5", boundNs: 40_000, method: "causality" as const, ...counts };
  const other = { ns: "7", boundNs: 90_000, method: "round trips" as const, ...counts, reason: "no events" };
  const both = { samples: 4, events: 20, inside: 18 };
  expect(joinOffsets([clear, other])).toEqual({ ...other, ...both, ns: "5" });
  expect(joinOffsets([{ ...clear, boundNs: 95_000 }, other])).toMatchObject({ boundNs: 95_000, method: "round trips" });
  expect(joinOffsets([clear, { ...clear, boundNs: 50_000 }])).toMatchObject({ boundNs: 50_000, method: "causality" });
  expect([joinOffsets([other]), joinOffsets([])]).toEqual([other, undefined]);
});

test("a window that was not clear is told, also a single one", () => {
  const found = {
    samples: [sample],
    boundNs: 1,
    method: "causality" as const,
    events: 1,
    inside: 1,
    parts: [],
    steps: [],
  };
  expect(toldOffset({ ...found, windows: { accepted: 3, refused: 1 } })).toMatchObject({
    ns: "100",
    reason: "1 of 4 windows were not clear",
  });
  expect(toldOffset({ ...found, windows: { accepted: 3, refused: 0 } })).not.toHaveProperty("reason");
});

test("between two eras that one counts whose bursts are nearer", () => {
  const rates = { low: 0, high: 0 };
  const era = (at: number, offset: number, index: number) => ({
    bursts: [{ at, offset: { low: offset, high: offset }, rounds: 1 }],
    index,
    rates,
  });
  const range = rangeBetween({ eras: [era(0, 5, 0), era(1000, 77, 1)], steps: [] }, 1);
  expect([-1, 400, 499, 500, 600, 1001].map((time) => range(time).low)).toEqual([5, 5, 5, 77, 77, 77]);
});

test("a recording's own TIME_SHIFT is known to both sides of it", () => {
  const metadata = { layout: layoutOf(4096, 8), formats: [], cpus: 1, traceClock: "[local]", uname: "", cpuStats: [] };
  const timeShift = { hostTraceId: 1n, interpolated: false, samples: [[sample]] };
  const known = knownShift({ ...metadata, timeShift }, 30);
  expect([known?.range(0), known?.range(1000)]).toEqual([
    { low: 70, high: 130 },
    { low: 70, high: 130 },
  ]);
});
