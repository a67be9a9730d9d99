import { expect, test } from "bun:test";
import { TopMeter } from "../../../src/host/live/top-meter.ts";
import { EventCatalog } from "../../../src/events/event-catalog.ts";
import { EventRecord } from "../../../src/events/event-record.ts";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";
import { TraceStatistics } from "../../../src/views/trace-statistics.ts";
import { commonFields } from "../../support/common-fields.ts";

const field = (declaration: string, offset: number, size: number): string =>
  `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:1;\n`;
const switchFormat = `name: sched_switch\nID: 1\nformat:\n${commonFields}\n${field("char prev_comm[16]", 8, 16)}${field("pid_t prev_pid", 24, 4)}${field("char next_comm[16]", 28, 16)}${field("pid_t next_pid", 44, 4)}\nprint fmt: ""\n`;
const second = 1e9;

function switchCatalog(): EventCatalog {
  return new EventCatalog({
    layout: layoutOf(4096, 8),
    formats: [{ system: "sched", text: switchFormat }],
    cpus: 1,
    uname: "",
    cpuStats: [],
  });
}

type Change = (cpu: number, time: number, prev: number, next: number) => void;

function changer(catalog: EventCatalog, statistics: TraceStatistics): Change {
  const record = new EventRecord();
  return (cpu: number, time: number, prev: number, next: number): void => {
    const view = new DataView(new ArrayBuffer(48));
    view.setUint16(0, 1, true);
    view.setInt32(24, prev, true);
    view.setInt32(44, next, true);
    new Uint8Array(view.buffer).set(Buffer.from("worker"), 28);
    record.attach(view);
    record.size = 48;
    record.cpu = cpu;
    record.timestamp = time;
    statistics.add(record, catalog.kindOf(record));
  };
}

test("loads and rates are those of the last seconds, and count what runs on without a switch", () => {
  const catalog = switchCatalog();
  const statistics = new TraceStatistics(catalog);
  const meter = new TopMeter(statistics, (pid) => catalog.tasks.text(pid));
  const change = changer(catalog, statistics);
  statistics.cpu(1);

  expect(meter.measure(0).cpus).toEqual([{ cpu: 1, busyShare: undefined, running: "?" }]);
  change(0, 0, 5, 0);
  change(0, 0.25 * second, 0, 7);
  const first = meter.measure(second);
  expect(first.cpus).toEqual([
    { cpu: 0, busyShare: 0.75, running: "worker-7" },
    { cpu: 1, busyShare: undefined, running: "?" },
  ]);
  expect(first.tasks.find(({ pid }) => pid === 7)).toEqual({
    pid: 7,
    name: "worker",
    cpuShare: 0.75,
    runsPerSecond: 1,
  });
  expect(first.events).toEqual([{ name: "sched:sched_switch", perSecond: 2 }]);

  for (let time = 2; time <= 6; time++) meter.measure(time * second);
  const later = meter.measure(7 * second);
  expect(later.cpus[0]).toEqual({ cpu: 0, busyShare: 1, running: "worker-7" });
  expect(later.tasks.find(({ pid }) => pid === 7)).toMatchObject({ cpuShare: 1, runsPerSecond: 0 });
  expect(later.eventsPerSecond).toBe(0);

  statistics.lost(0, 12);
  const lossy = meter.measure(8 * second);
  expect([lossy.lostEvents, lossy.cpus[0]?.running]).toEqual([12, "?"]);
});

test("a task that did not run for long is forgotten, and starts at zero when it runs again", () => {
  const catalog = switchCatalog();
  const statistics = new TraceStatistics(catalog, 100);
  const meter = new TopMeter(statistics, String);
  const change = changer(catalog, statistics);
  // A new task in each step, of which far more come than are kept apart.
  for (let step = 0; step < 1_000; step++) {
    for (let index = 0; index < 10; index++) {
      const pid = 1 + step * 10 + index;
      change(0, (step + index / 10) * 0.5 * second, pid - 1, pid);
    }
    const shown = meter.measure((step + 1) * 0.5 * second).tasks.filter(({ cpuShare }) => cpuShare > 0);
    // Rates are known from the second measurement on.
    if (step > 0) expect(shown.map(({ pid }) => pid)).toContain(1 + step * 10);
  }
  expect(statistics.busiest(Infinity).length).toBeLessThanOrEqual(60);
  // The first of all comes back.
  change(0, 500 * second, 10_000, 1);
  change(0, 500.25 * second, 1, 0);
  const back = meter.measure(500.5 * second).tasks.find(({ pid }) => pid === 1);
  expect(back?.cpuShare).toBeCloseTo(0.25 / 2, 2);
});
