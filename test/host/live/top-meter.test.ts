import { expect, test } from "bun:test";
import { TopMeter } from "../../../src/host/live/top-meter.ts";
import { EventCatalog } from "../../../src/kernel/event-catalog.ts";
import { EventRecord } from "../../../src/kernel/event-record.ts";
import { layoutOf } from "../../../src/kernel/sub-buffer.ts";
import { TraceStatistics } from "../../../src/kernel/trace-statistics.ts";
import { commonFields } from "../../support/event-text.ts";

const field = (declaration: string, offset: number, size: number): string => `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:1;\n`;
const switchFormat = `name: sched_switch\nID: 1\nformat:\n${commonFields}\n${field("char prev_comm[16]", 8, 16)}${field("pid_t prev_pid", 24, 4)}${field("char next_comm[16]", 28, 16)}${field("pid_t next_pid", 44, 4)}\nprint fmt: ""\n`;
const second = 1e9;

test("loads and rates are those of the last seconds, and count what runs on without a switch", () => {
  const catalog = new EventCatalog({
    layout: layoutOf(4096, 8),
    formats: [{ system: "sched", text: switchFormat }],
    kallsyms: new Uint8Array(0), printkFormats: "", savedCommands: "", savedTgids: "", clock: "local", uname: "", cpuStats: [], timeOffset: 0n,
  });
  const statistics = new TraceStatistics(catalog);
  const meter = new TopMeter(statistics, (pid) => catalog.tasks.text(pid));
  const record = new EventRecord();
  const change = (cpu: number, time: number, prev: number, next: number): void => {
    const view = new DataView(new ArrayBuffer(48));
    view.setUint16(0, 1, true);
    view.setInt32(24, prev, true);
    view.setInt32(44, next, true);
    new Uint8Array(view.buffer).set(Buffer.from("worker"), 28);
    record.lieIn(view);
    record.size = 48;
    record.cpu = cpu;
    record.timestamp = time;
    statistics.add(record, catalog.kindOf(record));
  };
  statistics.cpu(1);

  expect(meter.measure(0).cpus).toEqual([{ cpu: 1, busyShare: undefined, running: "?" }]);
  change(0, 0, 5, 0);
  change(0, 0.25 * second, 0, 7);
  const first = meter.measure(second);
  expect(first.cpus).toEqual([
    { cpu: 0, busyShare: 0.75, running: "worker-7" },
    { cpu: 1, busyShare: undefined, running: "?" },
  ]);
  expect(first.tasks.find(({ pid }) => pid === 7)).toEqual({ pid: 7, name: "worker", cpuShare: 0.75, runsPerSecond: 1 });
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
