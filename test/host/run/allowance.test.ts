/** What the replies of a guest may cost. */
import { expect, test } from "bun:test";
import { hostLimits } from "../../../src/host/limits.ts";
import { Allowance } from "../../../src/host/run/allowance.ts";

const { controlCpuMs, controlCpuShare } = hostLimits;

test("a guest may spend much at once, and its share of the time from then on", () => {
  const allowance = new Allowance(0);
  expect(allowance.spend(controlCpuMs, 0)).toBe(0);
  expect(allowance.spend(3, 0)).toBeCloseTo(3 / controlCpuShare);
  // When it has rested for as long as it was told to, nothing is left to spend, and nothing more to wait for.
  expect(allowance.spend(0, 3 / controlCpuShare)).toBeCloseTo(0);
  expect(allowance.spend(5, 3 / controlCpuShare)).toBeCloseTo(5 / controlCpuShare);
});

test("a guest that was silent for long may spend no more at once than at the beginning", () => {
  const allowance = new Allowance(0);
  expect(allowance.spend(controlCpuMs + 1, 1e9)).toBeCloseTo(1 / controlCpuShare);
});
