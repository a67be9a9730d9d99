/**
 * Tables made of the scheduling of a machine, in Perfetto's words: sched_slice, irq_slice, wakeup, and task. Nothing in them
 * reaches over a loss: a slice ends there, and a wait during which events were lost is left out.
 */
import { foreignText } from "../../base/foreign-text.ts";
import type { TaskNames } from "../../events/task-names.ts";
import type { InterruptSlice, SchedSlice, SchedulingTaker, Wait } from "../scheduling/slices.ts";
import { type TaskTimes, unknownPrio } from "../scheduling/task-times.ts";
import type { Column } from "./column.ts";
import type { TimeBase } from "./event-table.ts";
import { FlagColumn } from "./flag-column.ts";
import { NarrowColumn, SameTimeColumn, TimeColumn } from "./number-columns.ts";
import type { Table } from "./table.ts";
import { TaskColumn } from "./task-column.ts";
import { TextColumn } from "./text-column.ts";

/** Makes a table of these columns; `added` is called after each row. */
export type OpenTable = { open(name: string, columns: readonly Column[]): Table; added(table: Table): void };

/** Columns that most of these tables begin with. */
export class SpanColumns {
  readonly ts: TimeColumn;
  readonly dur = new TimeColumn("dur");
  readonly cpu = new NarrowColumn("cpu", "int");
  readonly all: readonly Column[];

  constructor({ epoch, utc }: TimeBase) {
    this.ts = new TimeColumn("ts", epoch);
    const time = new SameTimeColumn("time", this.ts, utc === undefined ? undefined : epoch + utc);
    this.all = [this.ts, time, this.dur, this.cpu];
  }

  set(row: number, start: number, end: number, cpu: number): void {
    this.ts.values[row] = start;
    this.dur.values[row] = end - start;
    this.cpu.values[row] = cpu;
  }
}

class SliceTable {
  readonly #span: SpanColumns;
  readonly #tid = new NarrowColumn("tid", "int");
  readonly #comm: TaskColumn;
  readonly #prio = new NarrowColumn("prio", "int");
  readonly #state = new TextColumn("end_state");
  readonly #wait = new TimeColumn("wait");
  readonly #startCut = new FlagColumn("start_cut");
  readonly #cut = new FlagColumn("cut");
  readonly #table: Table;
  readonly #tables: OpenTable;
  /** By CPU how long the task that runs there waited for it. */
  readonly #waits: ({ pid: number; end: number; ns: number } | undefined)[] = [];

  constructor(base: TimeBase, tasks: TaskNames, tables: OpenTable) {
    this.#span = new SpanColumns(base);
    this.#comm = new TaskColumn("comm", tasks);
    const own = [this.#tid, this.#comm, this.#prio, this.#state, this.#wait, this.#startCut, this.#cut];
    this.#table = tables.open("sched_slice", [...this.#span.all, ...own]);
    this.#tables = tables;
  }

  add({ cpu, pid, prio, start, end, isStartCut, isEndCut, endState }: SchedSlice): void {
    const row = this.#table.next;
    this.#span.set(row, start, end, cpu);
    this.#tid.values[row] = pid;
    this.#comm.setTask(row, pid);
    if (prio === unknownPrio) this.#prio.setNull(row);
    else this.#prio.values[row] = prio;
    this.#state.setText(row, endState);
    const wait = this.#waits[cpu];
    this.#wait.values[row] = wait?.pid === pid && wait.end === start ? wait.ns : NaN;
    this.#startCut.values[row] = isStartCut ? 1 : 0;
    this.#cut.values[row] = isEndCut ? 1 : 0;
    this.#table.rows = row + 1;
    this.#tables.added(this.#table);
  }

  /** Comes before the slice that follows it. */
  waited({ cpu, pid, start, end }: Wait): void {
    const wait = this.#waits[cpu];
    if (wait === undefined) this.#waits[cpu] = { pid, end, ns: end - start };
    else {
      wait.pid = pid;
      wait.end = end;
      wait.ns = end - start;
    }
  }
}

class InterruptTable {
  readonly #span: SpanColumns;
  readonly #kind = new TextColumn("kind");
  readonly #number = new NarrowColumn("number", "int");
  readonly #name = new TextColumn("name");
  readonly #tid = new NarrowColumn("tid", "int");
  readonly #comm: TaskColumn;
  readonly #table: Table;
  readonly #tables: OpenTable;

  constructor(base: TimeBase, tasks: TaskNames, tables: OpenTable) {
    this.#span = new SpanColumns(base);
    this.#comm = new TaskColumn("comm", tasks);
    const own = [this.#kind, this.#number, this.#name, this.#tid, this.#comm];
    this.#table = tables.open("irq_slice", [...this.#span.all, ...own]);
    this.#tables = tables;
  }

  add({ cpu, kind, number, name, pid, start, end }: InterruptSlice): void {
    const row = this.#table.next;
    this.#span.set(row, start, end, cpu);
    this.#kind.setText(row, kind);
    this.#number.values[row] = number;
    this.#name.setText(row, lettersOf(name));
    this.#tid.values[row] = pid;
    this.#comm.setTask(row, pid);
    this.#table.rows = row + 1;
    this.#tables.added(this.#table);
  }
}

/** Names of interrupts are texts of the kernel; undefined without one. */
function lettersOf(name: string): string | undefined {
  return name === "" ? undefined : foreignText(name);
}

/** From the wake-up of a task until it runs: `cpu` is where it ran then. */
class WakeupTable {
  readonly #span: SpanColumns;
  readonly #tid = new NarrowColumn("tid", "int");
  readonly #comm: TaskColumn;
  readonly #prio = new NarrowColumn("prio", "int");
  readonly #isNew = new FlagColumn("new");
  readonly #cut = new FlagColumn("cut");
  readonly #wakerTid = new NarrowColumn("waker_tid", "int");
  readonly #wakerComm: TaskColumn;
  readonly #wakerCpu = new NarrowColumn("waker_cpu", "int");
  readonly #wakerIrq = new TextColumn("waker_irq");
  readonly #table: Table;
  readonly #tables: OpenTable;

  constructor(base: TimeBase, tasks: TaskNames, tables: OpenTable) {
    this.#span = new SpanColumns(base);
    this.#comm = new TaskColumn("comm", tasks);
    this.#wakerComm = new TaskColumn("waker_comm", tasks);
    const task = [this.#tid, this.#comm, this.#prio, this.#isNew, this.#cut];
    const waker = [this.#wakerTid, this.#wakerComm, this.#wakerCpu, this.#wakerIrq];
    this.#table = tables.open("wakeup", [...this.#span.all, ...task, ...waker]);
    this.#tables = tables;
  }

  add({ cpu, pid, prio, cause, start, end, isEndCut, wakerPid, wakerCpu, wakerInterrupt }: Wait): void {
    const row = this.#table.next;
    this.#span.set(row, start, end, cpu);
    this.#tid.values[row] = pid;
    this.#comm.setTask(row, pid);
    if (prio === unknownPrio) this.#prio.setNull(row);
    else this.#prio.values[row] = prio;
    this.#isNew.values[row] = cause === "new" ? 1 : 0;
    this.#cut.values[row] = isEndCut ? 1 : 0;
    this.#wakerTid.values[row] = wakerPid;
    this.#wakerComm.setTask(row, wakerPid);
    this.#wakerCpu.values[row] = wakerCpu;
    this.#wakerIrq.setText(row, lettersOf(wakerInterrupt));
    this.#table.rows = row + 1;
    this.#tables.added(this.#table);
  }
}

export class SchedulingTables implements SchedulingTaker {
  readonly #slices: SliceTable;
  readonly #interrupts: InterruptTable;
  readonly #wakeups: WakeupTable;

  constructor(base: TimeBase, tasks: TaskNames, tables: OpenTable) {
    this.#slices = new SliceTable(base, tasks, tables);
    this.#interrupts = new InterruptTable(base, tasks, tables);
    this.#wakeups = new WakeupTable(base, tasks, tables);
  }

  slice(slice: SchedSlice): void {
    this.#slices.add(slice);
  }

  interrupt(slice: InterruptSlice): void {
    this.#interrupts.add(slice);
  }

  wait(wait: Wait): void {
    if (!wait.isEndCut) this.#slices.waited(wait);
    if (wait.cause !== "preempted") this.#wakeups.add(wait);
  }
}

/** One row for each task: what it did in the recording, as far as that is known. */
export function writeTasks(
  tables: OpenTable,
  { tasks, names, groups }: { tasks: Iterable<TaskTimes>; names: TaskNames; groups: ReadonlyMap<number, number> },
): void {
  const number = (name: string): NarrowColumn => new NarrowColumn(name, "int");
  const ns = (name: string): TimeColumn => new TimeColumn(name);
  const [tid, tgid, runs, waits] = [number("tid"), number("tgid"), number("runs"), number("waits")];
  const [run, wait, sleep, blocked, longest] = [ns("run"), ns("wait"), ns("sleep"), ns("blocked"), ns("longest_wait")];
  const comm = new TaskColumn("comm", names);
  const table = tables.open("task", [tid, tgid, comm, run, wait, sleep, blocked, runs, waits, longest]);
  for (const task of tasks) {
    const row = table.next;
    tid.values[row] = task.pid;
    const group = groups.get(task.pid);
    if (group === undefined) tgid.setNull(row);
    else tgid.values[row] = group;
    comm.setTask(row, task.pid);
    run.values[row] = task.runNs;
    wait.values[row] = task.waitNs;
    sleep.values[row] = task.sleepNs;
    blocked.values[row] = task.blockedNs;
    runs.values[row] = task.runs;
    waits.values[row] = task.waits;
    longest.values[row] = task.longestWaitNs;
    table.rows = row + 1;
    tables.added(table);
  }
}
