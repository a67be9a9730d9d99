/**
 * Names of tasks as events tell them. A recording may name a task long after its first event: so all of it is read once before
 * its rows are written, for the first name of each task. What saved_cmdlines says may be that of an earlier task of the pid.
 */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import { EventRecord } from "../../events/event-record.ts";
import { CpuEvents, blockBytesFor } from "../../timeline/event-merge.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { parquetLimits } from "./limits.ts";

type Told = { pid: (record: EventRecord) => number; offset: number; size: number };

/** Field of the pid, field of the name, by event. */
const telling: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "sched:sched_switch": [
    ["prev_pid", "prev_comm"],
    ["next_pid", "next_comm"],
  ],
  "sched:sched_waking": [["pid", "comm"]],
  "sched:sched_wakeup": [["pid", "comm"]],
  "sched:sched_wakeup_new": [["pid", "comm"]],
  "sched:sched_process_exit": [["pid", "comm"]],
  "sched:sched_process_fork": [["child_pid", "child_comm"]],
  "task:task_newtask": [["pid", "comm"]],
  "task:task_rename": [["pid", "oldcomm"]],
};
/** Those that tell a new name: of a pid that may have had another. */
const renaming: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  ...telling,
  "sched:sched_waking": [],
  "sched:sched_wakeup": [],
  "task:task_rename": [["pid", "newcomm"]],
};

/** By number of event what it tells. */
export type Telling = readonly (readonly Told[] | undefined)[];

/** `renaming`: what names a task from then on, else what names it at all. */
export function tellingEvents(catalog: EventCatalog, what: "naming" | "renaming"): Telling {
  const all: (readonly Told[] | undefined)[] = [];
  for (const [event, fields] of Object.entries(what === "naming" ? telling : renaming)) {
    const [system = "", name = ""] = event.split(":");
    const kind = catalog.find(system, name);
    const told = fields.flatMap((pair) => toldBy(kind, pair));
    if (kind !== undefined && told.length > 0) all[kind.format.id] = told;
  }
  return all;
}

function toldBy(kind: EventType | undefined, [pid, comm]: readonly [string, string]): Told[] {
  const reader = kind?.number(pid)?.low;
  const field = kind?.text(comm);
  return reader === undefined || field === undefined ? [] : [{ pid: reader, offset: field.offset, size: field.size }];
}

/** Gives the catalog the first name of each task that the recording's events tell. Each CPU is read for itself. */
export function learnFirstNames(source: TraceSource, catalog: EventCatalog, first: bigint): void {
  const events = tellingEvents(catalog, "naming");
  if (events.length === 0) return;
  const found = new Map<number, { stamp: number; name: Uint8Array }>();
  const record = new EventRecord();
  const readers = source.open();
  const block = blockBytesFor(1);
  for (const reader of readers) {
    const cpu = new CpuEvents(reader, source.metadata.layout, first, {}, undefined, block);
    const seen = new SeenPids();
    while (cpu.next()) {
      if (record.view !== cpu.view) record.attach(cpu.view);
      record.at = cpu.cursor.dataOffset;
      record.size = cpu.cursor.dataBytes;
      const kind = catalog.kindOf(record);
      const told = kind === undefined ? undefined : events[kind.format.id];
      if (told === undefined || kind === undefined || record.size < kind.format.minBytes) continue;
      for (const { pid: pidOf, offset, size } of told) {
        const pid = pidOf(record);
        if (pid <= 0 || seen.has(pid)) continue;
        const known = found.get(pid);
        if (known === undefined ? found.size >= parquetLimits.firstNames : known.stamp <= cpu.timestamp) continue;
        const at = record.at + offset;
        found.set(pid, { stamp: cpu.timestamp, name: record.bytes.slice(at, at + size) });
      }
    }
  }
  for (const [pid, { name }] of found) catalog.tasks.rename(pid, name, 0, name.length);
}

/** Pids whose first event of a CPU was seen, by their last bits: a later one changes nothing. */
class SeenPids {
  readonly #pids = new Int32Array(4096);

  /** Whether it was asked for already; from now on it was. */
  has(pid: number): boolean {
    const at = pid & 4095;
    if (this.#pids[at] === pid) return true;
    this.#pids[at] = pid;
    return false;
  }
}
