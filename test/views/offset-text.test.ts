/** How well a guest's clock is known, in a line. */
import { expect, test } from "bun:test";
import { offsetText } from "../../src/views/offset-text.ts";

const window = (boundNs: number, method: "causality" | "round trips") => ({ from: "1", to: "2", boundNs, method });
const reason = "no offset fits its events clearly";

test("the bound of the clear parts is told where some are, and others are known less", () => {
  const offset = { method: "causality" as const, boundNs: 90_000, events: 100, inside: 99, reason: "1 of 2 windows" };
  const windows = [window(40_000, "causality"), window(90_000, "round trips")];
  expect(offsetText("vm1", { ...offset, windows })).toBe(
    "vm1: clock ±90 µs (99 of 100 events lie within their vCPU's time on a CPU: 1 of 2 windows; ±40 µs in the others)",
  );
  expect(offsetText("vm1", { ...offset, windows: windows.slice(0, 1) })).toEndWith(": 1 of 2 windows)");
});

test("where no part is clear, no other bound is told than that of the round trips", () => {
  const offset = {
    method: "round trips" as const,
    boundNs: 161_723,
    reason,
    windows: [window(161_723, "round trips")],
  };
  expect(offsetText("vm1", offset)).toBe(`vm1: clock ±0.2 ms (round trips only: ${reason})`);
});
