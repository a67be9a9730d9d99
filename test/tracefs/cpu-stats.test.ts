import { expect, test } from "bun:test";
import { parseCpuStats, parseTraceTime } from "../../src/tracefs/cpu-stats.ts";

test("parseTraceTime() reads nanoseconds, ticks, and times beyond 2^53", () => {
  expect(parseTraceTime("entries: 1\noldest event ts:   977.342560\nnow ts:   977.556307\nread events: 0\n")).toBe(
    977_556_307_000n,
  );
  expect(parseTraceTime("now ts: 18446744073709551615\n")).toBe(18_446_744_073_709_551_615n);
  expect(parseTraceTime("now ts: 1766000000.000001\n")).toBe(1_766_000_000_000_001_000n);
  expect(parseTraceTime("entries: 5\n")).toBeUndefined();
  expect(parseTraceTime("now ts: soon\n")).toBeUndefined();
});

test("parseCpuStats() reads the counters and passes over what it does not know", () => {
  const text = `CPU: 3
entries: 12
overrun: 3
commit overrun: 4
bytes: 640
oldest event ts:  1234.567890
now ts:  1240.000001
dropped events: 5
read events: 99
some later counter: 7
`;
  expect(parseCpuStats(text)).toEqual({
    entries: 12,
    overrun: 3,
    commitOverrun: 4,
    bytes: 640,
    droppedEvents: 5,
    readEvents: 99,
  });
  expect(parseCpuStats("garbage\n:\nentries: many\noverrun:\nbytes: -1\nread events: 99999999999999999999")).toEqual(
    {},
  );
});
