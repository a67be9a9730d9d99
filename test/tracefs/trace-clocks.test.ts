/** What is known of each trace clock. */
import { expect, test } from "bun:test";
import {
  clockIn,
  clockOf,
  countsNanoseconds,
  isTimeOfDay,
  shownInSeconds,
  traceClockNames,
} from "../../src/tracefs/trace-clocks.ts";

test("clocks count ns where the kernel says so, and are shown in seconds where trace-cmd does", () => {
  const those = (is: (clock: string) => boolean): string[] => [...traceClockNames, "other"].filter(is);
  const alike = ["local", "global", "perf", "mono", "mono_raw", "tai"];
  expect(those(countsNanoseconds).toSorted()).toEqual([...alike, "boot"].toSorted());
  expect(those(shownInSeconds).toSorted()).toEqual([...alike, "uptime"].toSorted());
  expect(those(isTimeOfDay)).toEqual(["tai"]);
});

test("the clock in use stands in brackets; the kernel's default is taken where none does", () => {
  expect(clockIn("local global [mono_raw] x86-tsc\n")).toBe("mono_raw");
  expect(clockIn("local global")).toBeUndefined();
  expect([clockOf({ traceClock: "local [x86-tsc]" }), clockOf({})]).toEqual(["x86-tsc", "local"]);
});
