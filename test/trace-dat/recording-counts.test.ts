/** The counts of a recording beside its CPUs' statistics: read as they were written, joined and divided with nothing lost or twice. */
import { expect, test } from "bun:test";
import {
  joinCounts,
  parseRecordingCounts,
  partCounts,
  recordingCountLines,
} from "../../src/trace-dat/recording-counts.ts";
import type { CpuBalance } from "../../src/trace-dat/spool/balance.ts";

const balance = (read: number, overrun: number, transitBytes = 0, notServed?: CpuBalance["notServed"]): CpuBalance => ({
  cpu: 0,
  counted: { read, overrun, commitOverrun: 1, dropped: 2 },
  transitBytes,
  transitEvents: 0,
  taken: 0,
  notServed,
});
const textOf = (...lines: string[]): string => `entries: 9\n${lines.join("\n")}\n`;

test("counts are read as they were written, without the events that are left out", () => {
  const text = textOf(...recordingCountLines(balance(100, 5, 4096, { events: 7, reason: "no port" }), 30));
  expect(parseRecordingCounts(text)).toEqual({ events: 70, transitBytes: 4096, notServed: 7 });
  expect(parseRecordingCounts(textOf())).toEqual({ events: undefined, transitBytes: 0, notServed: undefined });
});

test("joinCounts() has the sums of all parts behind the last one's statistics", () => {
  const parts = [balance(100, 5, 10), balance(50, 6), balance(1, 0, 20)].map((one) =>
    textOf(...recordingCountLines(one, 0)),
  );
  const joined = joinCounts("entries: 3\nrecording events: 1\n", parts);
  expect(joined.split("\n")).toEqual([
    "entries: 3",
    "recording events: 151",
    "recording overrun: 11",
    "recording commit overrun: 3",
    "recording dropped events: 6",
    "recording bytes lost in transit: 30",
    "",
  ]);
});

test("partCounts() gives each part its events and the last one the rest and all losses: together what was counted", () => {
  const whole = textOf(...recordingCountLines(balance(100, 5, 10), 0));
  const parts = [0, 1, 2].map((part) => partCounts(whole, [60, 30], part));
  expect(parts.map((text) => parseRecordingCounts(text).events)).toEqual([60, 30, 10]);
  expect(joinCounts("entries: 9\n", parts)).toBe(whole);
});
