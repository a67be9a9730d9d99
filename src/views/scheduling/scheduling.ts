/**
 * Who ran when and who waited for whom: slices of CPUs and of interrupts, and waits of tasks, out of the events of one machine in
 * the order of their times. Memory does not grow with the recording.
 *
 * Nothing reaches over a loss. A slice ends where its CPU began to lose events. What a task was doing is unknown from where any
 * CPU began to lose events: it may have run there. So gap() must be told as soon as the loss begins, not when it ends.
 */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { type Cpu, type Meanwhile, meanwhileOf, newCpu } from "./cpu-state.ts";
import { Interrupts } from "./interrupts.ts";
import { LossEras } from "./loss-eras.ts";
import { type SwitchReaders, switchReaders, type WakingReaders, wakingReaders } from "./scheduler-events.ts";
import type { LeftAs, SchedSlice, SchedulingTaker, Wait } from "./slices.ts";
import { TaskTable, type TaskTimes, unknownPrio } from "./task-times.ts";

/** TRACE_FLAG_HARDIRQ and TRACE_FLAG_SOFTIRQ of the kernel's trace_events.h. */
const interruptFlags = 0x08 | 0x10;

export class Scheduling {
  readonly tasks: TaskTable;
  readonly catalog: EventCatalog;
  /** Waits that a loss cut: their length is not known. */
  cutWaits = 0;
  readonly #taker: SchedulingTaker;
  readonly #switch: SwitchReaders | undefined;
  /** By the number of the event. */
  readonly #wakings: (WakingReaders | undefined)[] = [];
  readonly #interrupts: Interrupts;
  readonly #flagsOffset: number | undefined;
  readonly #eras = new LossEras();
  readonly #cpus: Cpu[] = [];
  /** The same without holes: a file may name CPU 2^32 - 2. */
  readonly #known: Cpu[] = [];
  readonly #cpusExpected: number;
  readonly #keepsHistory: boolean;
  readonly #namesFromSwitches: boolean;
  /** Time of the last event of all. */
  #now = -Infinity;
  readonly #slice: SchedSlice = {
    cpu: 0,
    pid: 0,
    prio: 0,
    start: 0,
    end: 0,
    isStartCut: false,
    isEndCut: false,
    leftAs: undefined,
    endState: undefined,
  };

  /**
   * `cpus`: how many there are, which share the memory. `tasksMost`: tasks that are told apart. `keepsHistory`: meanwhile() will be asked.
   * `namesFromSwitches`: the catalog's tasks get their names from switches here, and from nowhere else.
   */
  constructor(
    catalog: EventCatalog,
    taker: SchedulingTaker,
    {
      cpus,
      tasksMost,
      keepsHistory = true,
      namesFromSwitches = true,
    }: { cpus: number; tasksMost?: number; keepsHistory?: boolean; namesFromSwitches?: boolean },
  ) {
    this.catalog = catalog;
    this.#taker = taker;
    this.#cpusExpected = Math.max(1, cpus);
    this.#keepsHistory = keepsHistory;
    this.#namesFromSwitches = namesFromSwitches;
    this.tasks = new TaskTable(tasksMost);
    this.#switch = switchReaders(catalog);
    for (const [kind, readers] of wakingReaders(catalog)) this.#wakings[kind.format.id] = readers;
    this.#flagsOffset = catalog.commonByte("common_flags");
    this.#interrupts = new Interrupts(catalog, (slice) => {
      if (keepsHistory) {
        const { interrupts } = this.#cpu(slice.cpu);
        interrupts.dropSince(slice.start);
        interrupts.add(0, 0, slice.start, slice.end);
      }
      taker.interrupt?.(slice);
    });
  }

  add(record: EventRecord, kind: EventType | undefined): void {
    const cpu = this.#cpu(record.cpu);
    const { timestamp } = record;
    if (cpu.loses) {
      cpu.loses = false;
      cpu.known = timestamp;
      this.#eras.end();
    }
    if (cpu.known !== cpu.known) cpu.known = timestamp;
    if (kind !== undefined) {
      const pid = this.catalog.pidOf(record);
      if (pid !== cpu.pid && pid !== cpu.left) this.#runsUnseen(pid, cpu, timestamp);
    }
    cpu.last = timestamp;
    this.#now = timestamp;
    if (kind === undefined || record.size < kind.format.minBytes) return;
    if (kind === this.#switch?.kind) this.#switched(record, cpu, this.#switch);
    else {
      const waking = this.#wakings[kind.format.id];
      if (waking !== undefined) this.#woken(record, waking);
      else this.#interrupts.add(record, kind);
    }
  }

  /** From the CPU's last event on events are lost, until its next one is added. */
  gap(number: number): void {
    const cpu = this.#cpu(number);
    if (cpu.loses) return;
    cpu.loses = true;
    const since = cpu.last === cpu.last ? cpu.last : this.#now;
    this.#endSlice(cpu, since, undefined, true);
    cpu.pid = -1;
    cpu.left = -1;
    this.#interrupts.forget(number);
    this.#eras.begin(since);
  }

  /** The end of the recording: what still runs and waits. */
  finish(): void {
    for (const cpu of this.#known)
      if (!cpu.loses) this.#endSlice(cpu, cpu.unseen ? cpu.last : this.#now, undefined, true);
    for (const task of this.tasks.all) {
      const isWait = task.state === "waiting" && this.#eras.isNow(task.era);
      this.#account(task, this.#now);
      if (isWait && this.#cpus[task.cpu]?.unseen === false) this.#taker.wait?.(waitOf(task, task.cpu, this.#now, true));
      this.tasks.setState(task, "unknown");
    }
  }

  /** What a CPU did between two times, where that is kept: now in a call of the taker, or soon. */
  meanwhile(number: number, from: number, to: number): Meanwhile {
    return meanwhileOf(this.#cpu(number), from, to);
  }

  #cpu(number: number): Cpu {
    const known = this.#cpus[number];
    if (known !== undefined) return known;
    const cpu = newCpu(number, this.#cpusExpected);
    this.#known.push(cpu);
    return (this.#cpus[number] = cpu);
  }

  #switched(record: EventRecord, cpu: Cpu, read: SwitchReaders): void {
    const { timestamp } = record;
    const [prev, next] = [read.prevPid(record), read.nextPid(record)];
    if (this.#namesFromSwitches) this.#learnNames(record, prev, next, read);
    const state = read.prevState(record);
    const leftAs = read.leftAs(state);
    if (cpu.pid !== prev) this.#runsUnseen(prev, cpu, timestamp);
    if (cpu.isCut) cpu.prio = read.prevPrio(record);
    this.#interrupts.forget(cpu.number);
    this.#endSlice(cpu, timestamp, leftAs, false, read.endState(state));
    if (prev !== 0) this.#left(prev, cpu, read.prevPrio(record), leftAs, timestamp);
    cpu.pid = next;
    cpu.prio = read.nextPrio(record);
    cpu.since = timestamp;
    cpu.left = prev;
    cpu.isCut = false;
    if (next !== 0) this.#entered(next, cpu, timestamp);
  }

  #learnNames({ bytes, at }: EventRecord, prev: number, next: number, { prevComm, nextComm }: SwitchReaders): void {
    const { tasks } = this.catalog;
    if (prevComm !== undefined) tasks.rename(prev, bytes, at + prevComm.offset, prevComm.size);
    if (nextComm !== undefined) tasks.learn(next, bytes, at + nextComm.offset, nextComm.size);
  }

  /**
   * A task runs of which no switch told: the recording begins, or events were lost, or a filter leaves switches out. What ran
   * before did so up to the last event before; the task's own wait is over, and nobody knows since when.
   */
  #runsUnseen(pid: number, cpu: Cpu, timestamp: number): void {
    if (cpu.pid >= 0) {
      cpu.unseen = true;
      this.#endSlice(cpu, cpu.last, undefined, true);
      const before = this.tasks.get(cpu.pid);
      if (before?.state === "running") this.tasks.setState(before, "unknown");
      cpu.known = timestamp;
      this.#interrupts.forget(cpu.number);
    }
    const task = pid === 0 ? undefined : this.tasks.get(pid);
    cpu.pid = pid;
    cpu.prio = task?.prio ?? unknownPrio;
    cpu.since = timestamp;
    cpu.left = -1;
    cpu.isCut = true;
    if (task === undefined) return;
    if (task.state === "waiting" && task.cause !== "preempted") this.cutWaits++;
    if (!this.#eras.isNow(task.era)) this.#account(task, timestamp);
    this.tasks.setState(task, "running");
    task.cpu = cpu.number;
  }

  #left(pid: number, cpu: Cpu, prio: number, leftAs: LeftAs, timestamp: number): void {
    const task = this.tasks.get(pid);
    if (task === undefined) return;
    this.tasks.setState(task, leftAs === "preempted" ? "waiting" : leftAs);
    task.prio = prio;
    task.since = timestamp;
    task.era = this.#eras.now;
    task.cpu = cpu.number;
    task.cause = "preempted";
    task.wakerPid = -1;
    task.wakerCpu = -1;
    task.wakerInterrupt = "";
  }

  #entered(pid: number, cpu: Cpu, timestamp: number): void {
    const task = this.tasks.get(pid);
    if (task === undefined) return;
    const isWait = task.state === "waiting" && this.#eras.isNow(task.era);
    if (task.state === "waiting" && task.cause !== "preempted" && !isWait) this.cutWaits++;
    this.#account(task, timestamp);
    task.runs++;
    task.prio = cpu.prio;
    if (isWait) {
      task.waits++;
      task.longestWaitNs = Math.max(task.longestWaitNs, timestamp - task.since);
      this.#taker.wait?.(waitOf(task, cpu.number, timestamp, false));
    }
    this.tasks.setState(task, "running");
    task.since = timestamp;
    task.cpu = cpu.number;
    task.era = this.#eras.now;
  }

  #woken(record: EventRecord, read: WakingReaders): void {
    if (read.success(record) === 0) return;
    const pid = read.pid(record);
    const task = pid === 0 ? undefined : this.tasks.get(pid);
    if (task === undefined) return;
    if (read.comm !== undefined)
      this.catalog.tasks.learn(pid, record.bytes, record.at + read.comm.offset, read.comm.size);
    // Who runs or waits already has nothing to wait for: its wake-up came before it slept.
    if (task.state === "running" && this.#cpus[task.cpu]?.pid === pid) return;
    if (task.state === "waiting" && this.#eras.isNow(task.era)) return;
    // A live event of another CPU that comes late: the task has run since.
    if (record.timestamp < task.since) return;
    this.#account(task, record.timestamp);
    this.tasks.setState(task, "waiting");
    task.prio = read.prio(record);
    task.since = record.timestamp;
    task.era = this.#eras.now;
    const target = read.target(record);
    task.cpu = this.#cpus[target] === undefined ? record.cpu : target;
    task.cause = read.isNew ? "new" : "woken";
    task.wakerPid = this.catalog.pidOf(record);
    task.wakerCpu = record.cpu;
    task.wakerInterrupt = this.#interrupts.current(record.cpu);
    if (task.wakerInterrupt === "" && this.#isInInterrupt(record)) task.wakerInterrupt = "an interrupt";
  }

  #isInInterrupt(record: EventRecord): boolean {
    const offset = this.#flagsOffset;
    return offset !== undefined && (record.view.getUint8(record.at + offset) & interruptFlags) !== 0;
  }

  /** Adds the time of what a task did, as far as it is known. What it ran is counted by slices. */
  #account(task: TaskTimes, timestamp: number): void {
    const end = this.#eras.endOf(task.era, timestamp);
    if (end === undefined) return;
    const ns = Math.max(0, Math.min(end, timestamp) - task.since);
    if (task.state === "waiting") task.waitNs += ns;
    else if (task.state === "sleeping") task.sleepNs += ns;
    else if (task.state === "blocked") task.blockedNs += ns;
  }

  #endSlice(cpu: Cpu, end: number, leftAs: LeftAs | undefined, isEndCut: boolean, endState?: string): void {
    if (cpu.pid < 0 || !(end >= cpu.since)) return;
    const { pid, prio, since } = cpu;
    if (pid !== 0) {
      const task = this.tasks.get(pid);
      if (task !== undefined) task.runNs += end - since;
    }
    if (this.#keepsHistory) cpu.history.add(pid, prio, since, end);
    const slice = this.#slice;
    slice.cpu = cpu.number;
    slice.pid = pid;
    slice.prio = prio;
    slice.start = since;
    slice.end = end;
    slice.isStartCut = cpu.isCut;
    slice.isEndCut = isEndCut;
    slice.leftAs = leftAs;
    slice.endState = endState;
    this.#taker.slice?.(slice);
  }
}

function waitOf(task: TaskTimes, cpu: number, end: number, isEndCut: boolean): Wait {
  const { pid, prio, cause, since, wakerPid, wakerCpu, wakerInterrupt } = task;
  return { pid, prio, cause, start: since, end, cpu, isEndCut, wakerPid, wakerCpu, wakerInterrupt };
}
