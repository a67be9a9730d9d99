/** The recording in memory: rows of intervals in typed arrays, by time. Times are ns from the page's epoch on. */
import { type MachineHead, type PageHead, type RowHead, waitCauses } from "../page-data.ts";
import { ColumnReader, signed, type Unpacked } from "./decode.ts";

/** By start; `busy`: the time of all before each, so that the time of many is a difference. */
export type Intervals = { count: number; start: Float64Array; end: Float64Array; busy: Float64Array };
export type Slices = Intervals & {
  task: Uint32Array;
  flags: Uint8Array;
  /** ns for which the task had waited before; 0 where it did not, or that is not known. */
  wait: Float64Array;
  cause: Uint8Array;
  /** Number of a task, a CPU, a name; -1 none. */
  waker: Int32Array;
  wakerCpu: Int32Array;
  wakerIn: Int32Array;
};
export type Interrupts = Intervals & { name: Uint32Array; task: Uint32Array };
/** `fields`: number of a text, -1 none. */
export type Marks = {
  count: number;
  time: Float64Array;
  name: Uint32Array;
  task: Uint32Array;
  fields: Int32Array;
};
/** `lost`: NaN where the kernel did not count. */
export type Losses = Intervals & { lost: Float64Array };

/** What the host did with a thread that runs vCPUs: `row` and `slice` of each run; a stall comes before a run. */
export type HostView = {
  host: Machine;
  task: number;
  runs: Intervals & { row: Uint32Array; slice: Uint32Array };
  stalls: Intervals & { run: Uint32Array };
};

export type Row = {
  machine: Machine;
  cpu: number;
  /** "CPU 0", "vCPU 0". */
  label: string;
  slices: Slices;
  interrupts: Interrupts;
  marks: Marks;
  losses: Losses;
  view: HostView | undefined;
};

export type Machine = MachineHead & { number: number; lines: Row[] };
export type Model = { head: PageHead; machines: Machine[]; rows: Row[]; first: number; last: number };

export function modelOf({ head, columns }: Unpacked): Model {
  const reader = new ColumnReader(columns);
  const machines = head.machines.map((machine, number): Machine => {
    const made: Machine = { ...machine, number, lines: [] };
    made.lines = machine.rows.map((row) => readRow(made, row, reader));
    return made;
  });
  for (const machine of machines) addHostViews(machine, machines);
  const rows = machines.flatMap(({ lines }) => lines);
  const times = machines
    .filter(({ lines }) => lines.length > 0)
    .flatMap(({ first, last }) => [first ?? [], last ?? []].flat());
  return { head, machines, rows, first: Math.min(...times), last: Math.max(...times) };
}

function readRow(machine: Machine, { cpu, ...heads }: RowHead, reader: ColumnReader): Row {
  const slices = readSlices(heads.slices.count, reader);
  const interrupts = {
    ...readIntervals(heads.interrupts.count, reader, true),
    ...readNames(heads.interrupts.count, reader),
  };
  const time = new Float64Array(heads.marks.count);
  let last = 0;
  reader.read(time.length, (value, index) => (time[index] = last += signed(value)));
  const marks = { count: time.length, time, ...readNames(time.length, reader), fields: new Int32Array(time.length) };
  reader.read(time.length, (value, index) => (marks.fields[index] = value - 1));
  const lost = new Float64Array(heads.losses.count);
  const losses = { ...readIntervals(lost.length, reader), lost };
  reader.read(lost.length, (value, index) => (lost[index] = value === 0 ? NaN : value - 1));
  return { machine, cpu, label: `CPU ${cpu}`, slices, interrupts: inOrder(interrupts), marks, losses, view: undefined };
}

/** `fromStart`: a gap counts from the start before, not from the end. */
function readIntervals(count: number, reader: ColumnReader, fromStart = false): Intervals {
  const [start, end, busy] = [new Float64Array(count), new Float64Array(count), new Float64Array(count + 1)];
  reader.read(count, (value, index) => (start[index] = signed(value)));
  let last = 0;
  reader.read(count, (value, index) => {
    const from = last + (start[index] ?? 0);
    start[index] = from;
    end[index] = from + value;
    busy[index + 1] = (busy[index] ?? 0) + value;
    last = fromStart ? from : from + value;
  });
  return { count, start, end, busy };
}

function readNames(count: number, reader: ColumnReader): { name: Uint32Array; task: Uint32Array } {
  const [name, task] = [new Uint32Array(count), new Uint32Array(count)];
  reader.read(count, (value, index) => (name[index] = value));
  reader.read(count, (value, index) => (task[index] = value));
  return { name, task };
}

function readSlices(count: number, reader: ColumnReader): Slices {
  const of = readIntervals(count, reader);
  const [task, flags, wait, cause] = [
    new Uint32Array(count),
    new Uint8Array(count),
    new Float64Array(count),
    new Uint8Array(count),
  ];
  const [waker, wakerCpu, wakerIn] = [new Int32Array(count), new Int32Array(count), new Int32Array(count)];
  reader.read(count, (value, index) => (task[index] = value));
  reader.read(count, (value, index) => (flags[index] = value));
  reader.read(count, (value, index) => {
    if (value === 0) return;
    cause[index] = (value - 1) % waitCauses.length;
    wait[index] = Math.floor((value - 1) / waitCauses.length);
  });
  for (const column of [waker, wakerCpu, wakerIn]) reader.read(count, (value, index) => (column[index] = value - 1));
  return { ...of, task, flags, wait, cause, waker, wakerCpu, wakerIn };
}

/** Interrupts within others may come out of order. */
function inOrder(of: Interrupts): Interrupts {
  const { count, start, end, name, task } = of;
  let isInOrder = true;
  for (let at = 1; at < count; at++) isInOrder &&= (start[at] ?? 0) >= (start[at - 1] ?? 0);
  if (isInOrder) return of;
  const order = Array.from({ length: count }, (_, at) => at).sort((a, b) => (start[a] ?? 0) - (start[b] ?? 0));
  const sorted = (from: Float64Array): Float64Array => Float64Array.from(order, (at) => from[at] ?? 0);
  const numbers = (from: Uint32Array): Uint32Array => Uint32Array.from(order, (at) => from[at] ?? 0);
  return { ...withBusy(sorted(start), sorted(end)), name: numbers(name), task: numbers(task) };
}

function withBusy(start: Float64Array, end: Float64Array): Intervals {
  const busy = new Float64Array(start.length + 1);
  for (let at = 0; at < start.length; at++) busy[at + 1] = (busy[at] ?? 0) + (end[at] ?? 0) - (start[at] ?? 0);
  return { count: start.length, start, end, busy };
}

/** The rows of a guest get what the host did with their threads; a guest that was not recorded gets rows of that alone. */
function addHostViews(host: Machine, machines: readonly Machine[]): void {
  for (const guest of host.guests) {
    const own = machines[guest.machine];
    for (const [cpu, pid] of guest.tasks.entries()) {
      if (pid <= 0) continue;
      const view = hostViewOf(host, pid);
      if (view === undefined) continue;
      const row = own?.lines.find((line) => line.cpu === cpu);
      if (row !== undefined) Object.assign(row, { view, label: `vCPU ${cpu}` });
      else if (own === undefined) host.lines.push({ ...emptyRow(host, cpu), label: `${guest.name} vCPU ${cpu}`, view });
    }
  }
}

function emptyRow(machine: Machine, cpu: number): Row {
  const heads = { count: 0, bytes: [] };
  return readRow(
    machine,
    { cpu, slices: heads, interrupts: heads, marks: heads, losses: heads },
    new ColumnReader(new Uint8Array()),
  );
}

function hostViewOf(host: Machine, pid: number): HostView | undefined {
  const numbers = new Set(host.tasks.flatMap(([own], number) => (own === pid ? [number] : [])));
  const found: { row: number; slice: number; start: number }[] = [];
  for (const [row, { slices }] of host.lines.entries())
    for (let slice = 0; slice < slices.count; slice++)
      if (numbers.has(slices.task[slice] ?? 0)) found.push({ row, slice, start: slices.start[slice] ?? 0 });
  const [task] = numbers;
  if (task === undefined || found.length === 0) return undefined;
  found.sort((a, b) => a.start - b.start);
  const value = (at: number, of: "end" | "wait"): number => {
    const { row = 0, slice = 0 } = found[at] ?? {};
    return host.lines[row]?.slices[of][slice] ?? 0;
  };
  const start = Float64Array.from(found, (one) => one.start);
  const runs = withBusy(
    start,
    Float64Array.from(found, (_, at) => value(at, "end")),
  );
  const waited = found.flatMap((_, at) => (value(at, "wait") > 0 ? [at] : []));
  const stalls = withBusy(
    Float64Array.from(waited, (at) => (start[at] ?? 0) - value(at, "wait")),
    Float64Array.from(waited, (at) => start[at] ?? 0),
  );
  const places = {
    row: Uint32Array.from(found, ({ row }) => row),
    slice: Uint32Array.from(found, ({ slice }) => slice),
  };
  return { host, task, runs: { ...runs, ...places }, stalls: { ...stalls, run: Uint32Array.from(waited) } };
}
