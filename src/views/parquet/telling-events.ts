/** Events that tell names of tasks. */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventRecord } from "../../events/event-record.ts";

/** `pidOffset`: where the pid is, in 32 bits; -1 where it must be computed. `minBytes`: an event has at least so many. */
export type Told = {
  pid: (record: EventRecord) => number;
  pidOffset: number;
  minBytes: number;
  offset: number;
  size: number;
};

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
  if (kind === undefined || reader === undefined || field === undefined) return [];
  const { minBytes, fields } = kind.format;
  const own = fields.find(({ name }) => name === pid);
  const isPlain = own?.size === 4 && own.dynamic === "" && own.offset + 4 <= minBytes;
  return [{ pid: reader, pidOffset: isPlain ? own.offset : -1, minBytes, offset: field.offset, size: field.size }];
}
