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
    return recordedTable({
      bytes: 0,
      files: [],
      cpus: [tally],
      metadata,
      endedEarly: undefined,
      notes: [],
      balances: [balance],
      found: undefined,
      warnings: [],
      damage: [],
      mismatches: [],
      spoolHasMore: false,
    });
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

test("filters that are not listed are counted, also a single one", () => {
  const found = { tracingOn: true, pids: "", notracePids: "", filters: [{ event: "a:b", filter: "x == 1" }] };
  expect(reasonsOf({ ...found, filtersInAll: 1 })).toEqual(["a:b has a filter: x == 1"]);
  expect(reasonsOf({ ...found, filtersInAll: 2 })).toEqual([
    "a:b has a filter: x == 1",
    "1 further events have filters",
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
