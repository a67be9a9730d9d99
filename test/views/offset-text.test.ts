/** How well a guest's clock is known, in a line. */
import { expect, test } from "bun:test";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { offsetText, timeText, unplacedTexts } from "../../src/views/offset-text.ts";

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

test("a bound is rounded up: it must hold", () => {
  const texts = [1, 1_001, 99_001, 100_000, 100_001, 999_999_999, 1_000_000_001].map(timeText);
  expect(texts).toEqual(["1 µs", "2 µs", "100 µs", "0.1 ms", "0.2 ms", "1000 ms", "1.1 s"]);
});

test("a clock that was set is told with when that was", () => {
  const offset = {
    method: "round trips" as const,
    boundNs: 1_000,
    steps: [{ from: "1000000000", to: "2500000000", ns: "-3000000" }],
  };
  expect(offsetText("vm1", offset)).toBe(
    "vm1: clock ±1 µs (round trips only); it jumped by 3 ms between 1.000 and 2.500: events between may be off by that",
  );
});

test("a machine without an offset is told where another one is shown with it, and only there", () => {
  const metadata = { layout: layoutOf(4096, 8), formats: [], cpus: 1, uname: "", cpuStats: [] };
  const source = { metadata, cpus: [0], open: () => [], close: () => {} };
  const part = (machine: string, method: "unknown" | "round trips") => ({
    machine,
    buffer: "",
    source,
    about: {
      file: `${machine}.dat`,
      path: `${machine}.dat`,
      machine,
      segment: 1,
      kind: "guest" as const,
      offset: { method },
    },
  });
  const said = ["vm1: clock unknown (no round trips): its times are its own"];
  expect(unplacedTexts([part("vm1", "unknown")])).toEqual([]);
  expect(unplacedTexts([part("vm1", "unknown"), part("vm2", "round trips")])).toEqual(said);
  expect(unplacedTexts([part("vm1", "round trips"), part("vm2", "round trips")])).toEqual([]);
});
