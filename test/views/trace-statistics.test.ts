import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { EventCatalog } from "../../src/events/event-catalog.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { LatencyHistogram } from "../../src/views/latency-histogram.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { TraceStatistics } from "../../src/views/trace-statistics.ts";
import { commonFields } from "../support/common-fields.ts";

test("percentiles are within a sixteenth of the true ones", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 10_000_000_000 }), { minLength: 1, maxLength: 300 }),
      fc.constantFrom(0.5, 0.9, 0.99, 1),
      (values, share) => {
        const histogram = new LatencyHistogram();
        for (const value of values) histogram.add(value);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
        expect(histogram.percentile(share)).toBeGreaterThanOrEqual(exact);
        expect(histogram.percentile(share)).toBeLessThanOrEqual(exact * (1 + 1 / 16) + 1);
      },
    ),
  );
});

const field = (declaration: string, offset: number, size: number): string =>
  `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:1;\n`;
const switchFormat = `name: sched_switch\nID: 1\nformat:\n${commonFields}\n${field("char prev_comm[16]", 8, 16)}${field("pid_t prev_pid", 24, 4)}${field("char next_comm[16]", 28, 16)}${field("pid_t next_pid", 44, 4)}\nprint fmt: ""\n`;
const wakingFormat = `name: sched_waking\nID: 2\nformat:\n${commonFields}\n${field("char comm[16]", 8, 16)}${field("pid_t pid", 24, 4)}\nprint fmt: ""\n`;

test("tasks' times, CPUs' loads and wake-up latencies come from the switches", () => {
  const catalog = new EventCatalog({
    layout: layoutOf(4096, 8),
    formats: [switchFormat, wakingFormat].map((text) => ({ system: "sched", text })),
    cpus: 1,
    uname: "",
    cpuStats: [],
  });
  const statistics = new TraceStatistics(catalog);
  const record = new EventRecord();
  const add = (cpu: number, time: number, id: number, write: (view: DataView) => void): void => {
    const view = new DataView(new ArrayBuffer(48));
    view.setUint16(0, id, true);
    write(view);
    record.attach(view);
    record.size = 48;
    record.cpu = cpu;
    record.timestamp = time;
    statistics.add(record, catalog.kindOf(record));
  };
  const change = (cpu: number, time: number, prev: number, next: number): void =>
    add(cpu, time, 1, (view) => {
      view.setInt32(24, prev, true);
      view.setInt32(44, next, true);
      new Uint8Array(view.buffer).set(Buffer.from("worker"), 28);
    });
  const waking = (cpu: number, time: number, pid: number): void =>
    add(cpu, time, 2, (view) => view.setInt32(24, pid, true));

  change(0, 1000, 5, 0);
  waking(0, 3000, 7);
  waking(0, 3500, 7);
  change(0, 4000, 0, 7);
  change(0, 9000, 7, 0);
  expect(statistics.cpu(0)).toMatchObject({ events: 5, busyNs: 5000, watchedNs: 8000 });
  expect(statistics.busiest(5)).toEqual([{ pid: 7, name: "worker", runNs: 5000, switches: 1 }]);
  expect([statistics.wakeups.count, statistics.wakeups.max]).toEqual([1, 1000]);
  // It is not known what ran since a loss began.
  statistics.gap(0);
  statistics.lost(0, 3);
  change(0, 100_000, 7, 5);
  expect(statistics.cpu(0)).toMatchObject({ lostEvents: 3, watchedNs: 8000 });
  // Nor whether who was woken ran on a CPU that loses events, before or meanwhile.
  waking(0, 101_000, 8);
  statistics.gap(1);
  change(0, 102_000, 5, 8);
  waking(0, 103_000, 9);
  change(0, 104_000, 8, 9);
  expect(statistics.wakeups.count).toBe(1);
  change(1, 110_000, 0, 6);
  waking(1, 111_000, 10);
  change(0, 113_000, 9, 10);
  expect([statistics.wakeups.count, statistics.wakeups.max]).toEqual([2, 2000]);
  // A loss that is told without the gap before it.
  waking(0, 114_000, 11);
  statistics.lost(0, 1);
  change(0, 200_000, 10, 11);
  expect(statistics.cpu(0).watchedNs).toBe(21_000);
  expect(statistics.wakeups.count).toBe(2);
  // A loss of which only the begin is told.
  statistics.gap(0);
  change(0, 200_500, 11, 11);
  expect(statistics.cpu(0).watchedNs).toBe(21_000);
  // One that was woken while it still ran, and is preempted, was not waiting since then.
  waking(0, 201_000, 11);
  change(0, 202_000, 11, 12);
  change(0, 300_000, 12, 11);
  expect(statistics.wakeups.count).toBe(2);
  // Who runs is not idle, however long.
  expect(statistics.forgetIdleSince(Infinity)).not.toContain(11);
  expect(statistics.busiest(9).map(({ pid }) => pid)).toContain(11);
});
