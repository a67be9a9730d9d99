/** What the replies of guests may cost. */
import { expect, test } from "bun:test";
import { hostLimits } from "../../../src/host/limits.ts";
import { type Allowance, Allowances } from "../../../src/host/run/allowance.ts";

const { controlCpuMs, controlCpuShare, controlCommonCpuShare } = hostLimits;

test("a guest may spend much at once, and its share of the time from then on", () => {
  const spend = new Allowances(0).of("vm1", 0);
  expect(spend(controlCpuMs, 0)).toBe(0);
  expect(spend(3, 0)).toBeCloseTo(3 / controlCommonCpuShare);
  // When it has rested for as long as it was told to, its own share has grown meanwhile.
  const restedMs = 3 / controlCommonCpuShare;
  expect(spend(restedMs * controlCpuShare, restedMs)).toBe(0);
  expect(spend(5, restedMs)).toBeCloseTo(5 / controlCommonCpuShare);
});

test("a guest that was silent for long may spend no more at once than at the beginning", () => {
  const spend = new Allowances(0).of("vm1", 0);
  expect(spend(controlCpuMs + 1, 1e9)).toBeCloseTo(1 / controlCommonCpuShare);
});

test("guests that write without end divide one share, and another that does what it is told is not kept waiting", () => {
  const allowances = new Allowances(0);
  const endMs = 100_000;
  const spentMs = spendAll(
    Array.from({ length: 8 }, (_, index) => allowances.of(`vm${index}`, 0)),
    endMs,
  );
  const most = 8 * (controlCpuMs + endMs * controlCpuShare) + endMs * controlCommonCpuShare;
  expect(spentMs).toBeLessThan(most + 100);
  expect(spentMs).toBeGreaterThan(0.9 * most);
  const other = allowances.of("other", 0);
  for (let second = 1; second < 100; second++) expect(other(2, second * 1000)).toBe(0);
});

test("what a guest has spent stays spent when it begins anew, until it was silent for long", () => {
  const allowances = new Allowances(0);
  allowances.of("vm1", 0)(controlCpuMs, 0);
  expect(allowances.of("vm1", 1)(1, 1)).toBeGreaterThan(0);
  const silentMs = (2 * controlCpuMs) / controlCpuShare;
  expect(allowances.of("vm1", silentMs)(controlCpuMs, silentMs)).toBe(0);
});

/** Each spends 3 ms whenever it may. Gives what all spent until `endMs`. */
function spendAll(guests: readonly Allowance[], endMs: number): number {
  const dueMs = guests.map(() => 0);
  let spentMs = 0;
  for (let now = 0; now < endMs;) {
    const next = dueMs.indexOf(Math.min(...dueMs));
    now = Math.max(now, dueMs[next] ?? 0) + 3;
    spentMs += 3;
    dueMs[next] = now + (guests[next]?.(3, now) ?? 0);
  }
  return spentMs;
}
