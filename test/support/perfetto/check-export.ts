/** Exports a recording and asks trace_processor whether all of it arrived. */
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import type { EventType } from "../../../src/events/event-catalog.ts";
import type { EventField } from "../../../src/events/event-format.ts";
import type { NumberNode } from "../../../src/events/print-format/number-node.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import { PerfettoExport } from "../../../src/views/perfetto/perfetto-export.ts";
import { EventIterator } from "../../../src/timeline/event-iterator.ts";
import { askTraces } from "./perfetto.ts";
import type { Row } from "./rpc.ts";

/** Stats that tell of the recording, not of the export: a kernel's switches that do not follow each other, real losses. */
const ofTheRecording = /^(?:mismatched_sched_switch_tids|ftrace_cpu_has_data_loss|ftrace_cpu_.*(?:overrun|dropped).*)$/;

const slicePairs = [
  {
    begin: "irq_handler_entry",
    end: "irq_handler_exit",
    slices: "select count(*) n from slice where name like 'IRQ (%' and name != 'IRQ (LocalTimer)'",
  },
  { begin: "sys_enter", end: "sys_exit", slices: "select count(*) n from slice where name like 'sys_%'" },
];

/**
 * Fields that name a task, and those with its pid. A task takes another name when it becomes another program, and of one that is no part
 * of the workload not every switch is recorded: the later name may stand in the event that woke it, and nowhere else.
 */
const namings = [
  ["prev_comm", "prev_pid"],
  ["next_comm", "next_pid"],
  ["comm", "pid"],
  ["newcomm", "pid"],
  ["parent_comm", "parent_pid"],
  ["child_comm", "child_pid"],
] as const;

type Naming = { comm: EventField; pid: NumberNode };

function namingsIn(kind: EventType): Naming[] {
  return namings.flatMap(([nameField, pidField]) => {
    const [comm, pid] = [kind.text(nameField), kind.number(pidField)];
    return comm === undefined || pid === undefined ? [] : [{ comm, pid }];
  });
}

/** `answers`: to what the test asks beside. */
export type ExportCheck = { counts: Map<string, number>; stats: Row[]; answers: Row[][] };

type Exported = {
  trace: string;
  events: number;
  counts: Map<string, number>;
  /** Of tasks, by their pid. */
  names: Map<number, Set<string>>;
  lossyCpus: Set<number>;
};

/** Counts by name and CPU, stats, slices and names of threads. Returns what tests of single recordings look at further. */
export function checkExport(folder: string, path: string, queries: readonly string[] = []): ExportCheck {
  return checkExports(folder, [{ path, queries }])[0]!;
}

/** The same of several, by one trace_processor. */
export function checkExports(
  folder: string,
  recordings: readonly { path: string; queries: readonly string[] }[],
): ExportCheck[] {
  const exports = recordings.map(({ path }) => exportOf(path));
  const questions = exports.map(({ trace }, index) => ({
    trace,
    queries: [...ofEach, ...(recordings[index]?.queries ?? [])],
  }));
  return askTraces(folder, questions).map((answers, index) => checkAnswers(exports[index]!, answers));
}

function exportOf(path: string): Exported {
  const trace = `${path}.pftrace`;
  const source = openTraceDat(path);
  const parts: Buffer[] = [];
  const exporting = new PerfettoExport([source], (bytes) => parts.push(Buffer.from(bytes)));
  finishExport(exporting);
  writeFileSync(trace, Buffer.concat(parts));
  const counts = new Map<string, number>();
  const names = new Map<number, Set<string>>();
  const namingsOf = new Map<EventType, Naming[]>();
  const lossyCpus = new Set<number>();
  const stream = new EventIterator(source, {}, { lost: (cpu) => lossyCpus.add(cpu) });
  while (stream.next()) {
    const key = `${stream.kind?.format.name ?? "?"} ${stream.record.cpu}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (stream.kind === undefined) continue;
    if (!namingsOf.has(stream.kind)) namingsOf.set(stream.kind, namingsIn(stream.kind));
    for (const { comm, pid } of namingsOf.get(stream.kind) ?? []) {
      const [number, at] = [pid.low(stream.record), stream.record.at + comm.offset];
      const bytes = Buffer.from(stream.record.bytes.subarray(at, at + comm.size));
      if (!names.has(number)) names.set(number, new Set());
      names.get(number)?.add(bytes.toString("latin1").split("\0", 1)[0] ?? "");
    }
  }
  source.close();
  return { trace, events: exporting.counts.events, counts, names, lossyCpus };
}

const ofEach = [
  "select f.name || ' ' || cpu as key, count(*) as n from ftrace_event f group by f.name, cpu",
  "select name, idx, severity, value from stats where value != 0 and severity in ('error', 'data_loss')",
  "select tid, name from thread where name is not null",
  "select count(*) n from slice where dur < -1",
  ...slicePairs.map(({ slices }) => slices),
];

function checkAnswers({ events, counts, names, lossyCpus }: Exported, answers: readonly Row[][]): ExportCheck {
  const [byName = [], stats = [], threads = [], open = [], ...rest] = answers;
  expect(Object.fromEntries(byName.map((row) => [String(row["key"]), row["n"]]))).toEqual(Object.fromEntries(counts));
  expect(events).toBe([...counts.values()].reduce((sum, count) => sum + count, 0));
  expect(stats.filter((row) => !ofTheRecording.test(String(row["name"])))).toEqual([]);
  const lossy = stats.filter((row) => row["name"] === "ftrace_cpu_has_data_loss").map((row) => Number(row["idx"]));
  expect(lossy.sort((a, b) => a - b)).toEqual([...lossyCpus].sort((a, b) => a - b));
  expect(open[0]?.["n"]).toBe(0);
  for (const row of threads) {
    const known = names.get(Number(row["tid"]));
    const name = String(row["name"]);
    // Workers' names change with their work, of which trace_processor keeps the constant part.
    if (known !== undefined && row["tid"] !== 0 && !name.startsWith("kworker/")) expect([...known]).toContain(name);
  }
  checkSlices(counts, rest.slice(0, slicePairs.length), lossyCpus.size > 0);
  return { counts, stats, answers: rest.slice(slicePairs.length) };
}

/** A slice for each begin, but for ends and begins that were not both recorded. */
function checkSlices(counts: Map<string, number>, slices: readonly Row[][], lossy: boolean): void {
  const total = (name: string): number =>
    [...counts].reduce((sum, [key, count]) => (key.startsWith(`${name} `) ? sum + count : sum), 0);
  for (const [index, { begin, end }] of slicePairs.entries()) {
    const found = Number(slices[index]?.[0]?.["n"] ?? 0);
    const [begins, ends] = [total(begin), total(end)];
    if (begins === 0 || lossy) continue;
    // Calls that never return, or began before, are at the recording's edges: a few per task and CPU.
    const edge = 20 + Math.abs(begins - ends);
    expect(found).toBeGreaterThanOrEqual(Math.min(begins, ends) - edge);
    expect(found).toBeLessThanOrEqual(Math.max(begins, ends) + edge);
  }
}
