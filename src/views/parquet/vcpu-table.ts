/**
 * The table of vCPUs, one file for each guest of a host that was recorded: when the vCPU's thread ran, and when it could run and
 * did not, with who had most of its CPU meanwhile.
 */
import type { TaskNames } from "../../events/task-names.ts";
import type { GuestMap } from "../../events/trace-metadata.ts";
import { formatCpuList } from "../../tracefs/cpu-list.ts";
import type { Meanwhile } from "../scheduling/cpu-state.ts";
import type { SchedSlice, SchedulingTaker, Wait } from "../scheduling/slices.ts";
import { vcpuLimits } from "../vcpus/limits.ts";
import type { Column } from "./column.ts";
import type { TimeBase } from "./event-table.ts";
import { FlagColumn } from "./flag-column.ts";
import { NarrowColumn } from "./number-columns.ts";
import { guestTable } from "./session-files.ts";
import { SpanColumns } from "./scheduling-tables.ts";
import type { Table } from "./table.ts";
import { TaskColumn } from "./task-column.ts";
import { TextColumn } from "./text-column.ts";

export type OpenGuestTable = {
  openOf(guest: string, name: string, columns: readonly Column[]): Table;
  added(table: Table): void;
};
/** What the host's scheduling knows of a CPU and a task at the moment. */
export type HostState = {
  meanwhile(cpu: number, from: number, to: number): Meanwhile;
  cpuOf(pid: number): number | undefined;
};

type Thread = { guest: GuestTable; vcpu: number; vcpus: string };

class GuestTable {
  readonly #span: SpanColumns;
  readonly #vcpu = new NarrowColumn("vcpu", "int");
  /** All that the thread runs: "0-1" of a guest that is emulated by a single thread. */
  readonly #vcpus = new TextColumn("vcpus");
  readonly #state = new TextColumn("state");
  readonly #cause = new TextColumn("cause");
  readonly #tid = new NarrowColumn("tid", "int");
  readonly #byTid = new NarrowColumn("by_tid", "int");
  readonly #byComm: TaskColumn;
  readonly #cut = new FlagColumn("cut");
  readonly #table: Table;
  readonly #tables: OpenGuestTable;

  constructor(guest: string, base: TimeBase, tasks: TaskNames, tables: OpenGuestTable) {
    this.#span = new SpanColumns(base);
    this.#byComm = new TaskColumn("by_comm", tasks);
    const own = [this.#vcpu, this.#vcpus, this.#state, this.#cause, this.#tid, this.#byTid, this.#byComm, this.#cut];
    this.#table = tables.openOf(guest, guestTable, [...this.#span.all, ...own]);
    this.#tables = tables;
  }

  add(
    { vcpu, vcpus }: Thread,
    { start, end, cpu, pid, isEndCut }: Pick<SchedSlice, "start" | "end" | "cpu" | "pid" | "isEndCut">,
    wait?: { cause: string; by: number | undefined },
  ): void {
    const row = this.#table.next;
    this.#span.set(row, start, end, cpu);
    this.#vcpu.values[row] = vcpu;
    this.#vcpus.setText(row, vcpus);
    this.#state.setText(row, wait === undefined ? "running" : "waiting");
    this.#cause.setText(row, wait?.cause);
    this.#tid.values[row] = pid;
    if (wait?.by === undefined) {
      this.#byTid.setNull(row);
      this.#byComm.setNull(row);
    } else {
      this.#byTid.values[row] = wait.by;
      this.#byComm.setTask(row, wait.by);
    }
    this.#cut.values[row] = isEndCut ? 1 : 0;
    this.#table.rows = row + 1;
    this.#tables.added(this.#table);
  }
}

export class VcpuTables implements SchedulingTaker {
  readonly #threads = new Map<number, Thread>();
  readonly #host: HostState;

  constructor(
    guests: readonly GuestMap[],
    base: TimeBase,
    { tasks, host }: { tasks: TaskNames; host: HostState },
    tables: OpenGuestTable,
  ) {
    this.#host = host;
    for (const { name, tasks: threads } of guests) {
      const byTask = new Map<number, number[]>();
      for (const [vcpu, pid] of threads.entries())
        if (pid > 0 && !this.#threads.has(pid)) byTask.set(pid, [...(byTask.get(pid) ?? []), vcpu]);
      if (byTask.size === 0) continue;
      const guest = new GuestTable(name, base, tasks, tables);
      for (const [pid, vcpus] of byTask) {
        if (this.#threads.size >= vcpuLimits.vcpus) return;
        this.#threads.set(pid, { guest, vcpu: vcpus[0] ?? 0, vcpus: formatCpuList(vcpus) });
      }
    }
  }

  slice(slice: SchedSlice): void {
    const thread = this.#threads.get(slice.pid);
    thread?.guest.add(thread, slice);
  }

  wait({ pid, start, end, cause, cpu: ranOn, isEndCut }: Wait): void {
    const thread = this.#threads.get(pid);
    if (thread === undefined) return;
    // A preempted thread waited where it had run; of one that was woken only the end says for which CPU it waited.
    const cpu = cause === "preempted" ? (this.#host.cpuOf(pid) ?? ranOn) : ranOn;
    const [most] = this.#host.meanwhile(cpu, start, end).ran;
    thread.guest.add(thread, { start, end, cpu, pid, isEndCut }, { cause, by: most?.pid });
  }
}
