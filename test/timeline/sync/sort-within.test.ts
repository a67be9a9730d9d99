import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { RangeSorter } from "../../../src/timeline/sync/sort-within.ts";

const sorter = new RangeSorter();

/** In the order in which the sorter leaves them, and the runtime. */
function sorted(values: readonly number[], low: number, high: number): { ours: Float64Array; right: Float64Array } {
  const ours = Float64Array.from(values);
  sorter.sort(ours, low, high);
  return { ours, right: Float64Array.from(values).sort() };
}

test("numbers of a range are sorted as the runtime sorts them, evenly spread and close together", () => {
  const spread = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0);
  const close = fc.tuple(fc.constantFrom(-1e6, 0, 3, 999_999), fc.nat(50)).map(([at, more]) => at + more / 1000);
  const each = fc.oneof({ weight: 3, arbitrary: spread }, close);
  let large = 0;
  fc.assert(
    fc.property(fc.array(each, { maxLength: 3_000, size: "max" }), (values) => {
      const { ours, right } = sorted(values, -1e6, 1e6);
      expect(ours).toEqual(right);
      if (values.length > 300) large++;
    }),
  );
  expect(large).toBeGreaterThan(3);
});

test("more numbers than ever before, all at one end, in a range of nothing, or a rounding outside of it are sorted too", () => {
  const many = Array.from({ length: 20_000 }, (_, index) => (index * 7_919) % 20_011);
  for (const values of [
    many,
    many.map(() => 20_011),
    many.map((value) => value - 0.001),
    many.map((value) => -value),
  ]) {
    for (const [low, high] of [
      [0, 20_011],
      [5, 5],
      [-20_011, 0],
    ] as const) {
      const { ours, right } = sorted(values, low, high);
      expect(Buffer.compare(Buffer.from(ours.buffer), Buffer.from(right.buffer))).toBe(0);
    }
  }
});
