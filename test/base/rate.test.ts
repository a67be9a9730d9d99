import { expect, test } from "bun:test";
import { Rate } from "../../src/base/rate.ts";

test("a rate lets so many pass at once, so many in a second after that, and counts the rest", () => {
  const rate = new Rate(10, 4, 0);
  const passed = (count: number, nowMs: number): number =>
    Array.from({ length: count }, () => rate.take(nowMs)).filter(Boolean).length;
  expect(passed(1000, 0)).toBe(10);
  expect(rate.takeLeftOut()).toBe(990);
  expect(rate.takeLeftOut()).toBe(0);
  expect(passed(1000, 1000)).toBe(4);
  expect(passed(1000, 1100)).toBe(0);
  expect(passed(1000, 3_600_000)).toBe(10);
  expect(rate.takeLeftOut()).toBe(996 + 1000 + 990);
});
