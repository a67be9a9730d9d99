/** What is told of losses that the file itself does not show. */
import { expect, test } from "bun:test";
import { EventCatalog } from "../../src/events/event-catalog.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import type { CpuBalance } from "../../src/trace-dat/spool/balance.ts";
import { LatencyHistogram } from "../../src/views/latency-histogram.ts";
import { missingOf } from "../../src/views/missing.ts";
import { reasonsOf, recordedTable } from "../../src/views/recorded-text.ts";
import { TraceStatistics } from "../../src/views/trace-statistics.ts";

const metadata = { layout: layoutOf(4096, 8), formats: [], cpus: 1, uname: "", cpuStats: [] };

test("a recording that lacks an event of those that were counted says so, unless the file is damaged there", () => {
  const missing = (lines: string, events: number, isDamaged = false): unknown => {
    const statistics = new TraceStatistics(new EventCatalog(metadata));
    statistics.cpu(3).events = events;
    if (isDamaged) statistics.damaged(3);
    return missingOf(statistics, { ...metadata, cpuStats: [{ cpu: 3, text: lines }] });
  };
  const counted = "entries: 0\nrecording events: 7\n";
  expect(missing(counted, 7)).toEqual([]);
  expect(missing(counted, 6)).toEqual([{ cpu: 3, takenEvents: 1 }]);
  expect(missing(counted, 6, true)).toEqual([]);
  expect(missing(`${counted}recording bytes lost in transit: 1\n`, 6)).toEqual([{ cpu: 3, transitBytes: 1 }]);
  expect(missing("recording not served: 2\n", 0)).toEqual([{ cpu: 3, notServedEvents: 2 }]);
});

/** Of a finished recording what these tests do not look at. */
const nothing = {
  bytes: 0,
  files: [],
  endedEarly: undefined,
  notes: [],
  found: undefined,
  warnings: [],
  damage: [],
  mismatches: [],
  spoolHasMore: false,
};

test("events that were not written are told as dropped, whatever refused them", () => {
  const shown = (commitOverrun: number, dropped: number): string => {
    const counted = { read: 5, overrun: 0, commitOverrun, dropped };
    const balance: CpuBalance = {
      cpu: 0,
      counted,
      transitBytes: 0,
      transitEvents: 0,
      taken: 0,
      notServed: undefined,
    };
    const tally = { cpu: 0, bytes: 4096, events: 5, lostEvents: 0, unknownLosses: 0, damaged: 0 };
    return recordedTable({ ...nothing, cpus: [tally], metadata, balances: [balance] });
  };
  for (const [commitOverrun, dropped] of [
    [3, 0],
    [0, 3],
    [1, 2],
  ] as const) {
    const [, row = "", , ...words] = shown(commitOverrun, dropped).split("\n");
    expect(row.trim().split(/ +/)).toEqual(["0", "4096", "5", "0", "0", "3"]);
    expect(words.join("\n")).toContain("dropped: not written at all");
  }
  expect(shown(0, 0)).not.toContain("dropped:");
});

test("CPUs that have a port and that the guest does not have are no rows, and named", () => {
  const counts = { read: 5, overrun: 0, commitOverrun: 0, dropped: 0 };
  const shown = (cpus: number, told: readonly number[], came: readonly number[]): string =>
    recordedTable({
      ...nothing,
      cpus: [0, 1, 2, 3].map((cpu) => ({
        cpu,
        bytes: came.includes(cpu) ? 4096 : 0,
        events: came.includes(cpu) ? 5 : 0,
        lostEvents: 0,
        unknownLosses: 0,
        damaged: 0,
      })),
      metadata: { ...metadata, cpus, formats: [{ system: "sched", text: "" }] },
      balances: [0, 1, 2, 3].map((cpu) => ({
        cpu,
        counted: told.includes(cpu) ? counts : undefined,
        transitBytes: 0,
        transitEvents: 0,
        taken: 0,
        notServed: undefined,
      })),
    });
  const cpusOf = (text: string): string[] => text.split("\n").flatMap((line) => /^ *(\d+) /.exec(line)?.[1] ?? []);
  const two = shown(2, [0, 1], [0, 1]);
  expect(cpusOf(two)).toEqual(["0", "1"]);
  expect(two).toContain("The guest has 2 CPUs: nothing comes from the 2 ports of CPU 2-3.");
  // What came, or is told of, is shown all the same; and a CPU of the guest of which nothing is told.
  expect(cpusOf(shown(2, [0, 1, 2], [0, 3]))).toEqual(["0", "1", "2", "3"]);
  expect(cpusOf(shown(4, [0], [0]))).toEqual(["0", "1", "2", "3"]);
});

test("filters that are not listed are counted, also a single one", () => {
  const found = { tracingOn: true, pids: "", notracePids: "", filters: [{ event: "a:b", filter: "x == 1" }] };
  expect(reasonsOf({ ...found, filtersInAll: 1 })).toEqual(["a:b has a filter: x == 1"]);
  expect(reasonsOf({ ...found, filtersInAll: 2 })).toEqual([
    "a:b has a filter: x == 1",
    "there are filters of 1 further event",
  ]);
});

test("the longest of two histograms together is that of either", () => {
  const [one, other] = [new LatencyHistogram(), new LatencyHistogram()];
  one.add(50);
  other.add(20);
  other.addAll(one);
  one.addAll(new LatencyHistogram());
  expect([one.max, other.max, other.count, other.sum]).toEqual([50, 50, 2, 70]);
});
