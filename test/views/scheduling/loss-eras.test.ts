/** How long it is known when losses began. */
import { expect, test } from "bun:test";
import { schedulingLimits } from "../../../src/views/scheduling/limits.ts";
import { LossEras } from "../../../src/views/scheduling/loss-eras.ts";

test("the end of an era is known for so many losses, and then it is another's no more", () => {
  const eras = new LossEras();
  const lose = (stamp: number): void => {
    eras.begin(stamp);
    eras.end();
  };
  expect(eras.endOf(0, 5)).toBe(5);
  for (let loss = 0; loss < schedulingLimits.lossTimes; loss++) lose(10 + loss);
  expect(eras.endOf(0, Infinity)).toBe(10);
  lose(1_000_000);
  expect([eras.endOf(0, Infinity), eras.endOf(1, Infinity), eras.endOf(-1, 5)]).toEqual([undefined, 11, undefined]);
});
