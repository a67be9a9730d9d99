/**
 * Statistics of a recording, or of a stream so far: events by type and CPU, how long tasks ran, how long woken
 * tasks waited for a CPU, losses. Memory grows only with the number of types, CPUs and tasks.
 */
import type { EventCatalog, EventType } from "../events/event-catalog.ts";
import type { EventRecord } from "../events/event-record.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { NumberNode } from "../events/print-format/number-node.ts";

export type CpuStatistics = {
  cpu: number;
  events: number;
  lostEvents: number;
  /** How often events were lost that the kernel did not count. */
  unknownLosses: number;
  damagedSubBuffers: number;
  /** Time of tasks other than the idle task. */
  busyNs: number;
  /** Between the first and the last task switch. */
  watchedNs: number;
  /** The running task, and since when; -1 while unknown. */
  runningPid: number;
  runningSince: number;
};

export type TaskStatistics = { pid: number; name: string; runNs: number; switches: number };

type KindCount = { readonly kind: EventType | undefined; count: number };
type TaskCounts = { runNs: number; switches: number; lastStamp: number };

/** Tasks that are told apart; a fork bomb has more. */
const tasksMost = 65_536;

export class TraceStatistics {
  readonly cpus = new Map<number, CpuStatistics>();
  /** May be taken and replaced by an empty one, to start at zero. */
  wakeups = new LatencyHistogram();
  events = 0;
  first = Infinity;
  last = -Infinity;
  readonly #catalog: EventCatalog;
  /** By the number of the event: a map costs each event twice as much as all else here. */
  readonly #counts: (KindCount | undefined)[] = [];
  #unknown: KindCount | undefined;
  /** As they were first seen. */
  readonly #counted: KindCount[] = [];
  /** By number. */
  readonly #cpus: (CpuStatistics | undefined)[] = [];
  readonly #tasks = new Map<number, TaskCounts>();
  readonly #tasksMax: number;
  /** When a task that waits for a CPU was woken. */
  readonly #woken = new Map<number, number>();
  /** CPUs that lose events now: a task that was woken may run there unseen. */
  readonly #losing = new Set<number>();
  readonly #switchKind: EventType | undefined;
  readonly #prevPid: NumberNode | undefined;
  readonly #nextPid: NumberNode | undefined;
  /** By the number of the event. sched_waking comes first, but may not be recorded. */
  readonly #wakings: (NumberNode | undefined)[] = [];

  /** `tasksMax`: tasks that are told apart; others are counted only on their CPUs. */
  constructor(catalog: EventCatalog, tasksMax = tasksMost) {
    this.#catalog = catalog;
    this.#tasksMax = tasksMax;
    this.#switchKind = catalog.find("sched", "sched_switch");
    this.#prevPid = this.#switchKind?.number("prev_pid");
    this.#nextPid = this.#switchKind?.number("next_pid");
    for (const name of ["sched_waking", "sched_wakeup", "sched_wakeup_new"]) {
      const kind = catalog.find("sched", name);
      const pid = kind?.number("pid");
      if (kind !== undefined && pid !== undefined) this.#wakings[kind.format.id] = pid;
    }
  }

  add(record: EventRecord, kind: EventType | undefined): void {
    this.events++;
    const counted = kind === undefined ? this.#unknown : this.#counts[kind.format.id];
    (counted ?? this.#count(kind)).count++;
    if (record.timestamp < this.first) this.first = record.timestamp;
    if (record.timestamp > this.last) this.last = record.timestamp;
    const cpu = this.cpu(record.cpu);
    cpu.events++;
    if (this.#losing.size > 0) this.#losing.delete(record.cpu);
    if (kind === undefined || record.size < kind.format.minBytes) return;
    if (kind === this.#switchKind) this.#switch(record, cpu);
    else {
      const waking = this.#wakings[kind.format.id];
      if (waking === undefined || this.#losing.size > 0) return;
      const pid = waking.low(record);
      if (!this.#woken.has(pid) && this.#woken.size < tasksMost) this.#woken.set(pid, record.timestamp);
    }
  }

  get kinds(): Map<EventType | undefined, number> {
    return new Map(this.#counted.map(({ kind, count }) => [kind, count]));
  }

  /** From the CPU's last event on events are lost, until its next one is added: what ran there and was woken is unknown. */
  gap(cpu: number): void {
    this.cpu(cpu).runningPid = -1;
    this.#losing.add(cpu);
    this.#woken.clear();
  }

  lost(cpu: number, count: number): void {
    const statistics = this.cpu(cpu);
    if (count < 0) statistics.unknownLosses++;
    else statistics.lostEvents += count;
    statistics.runningPid = -1;
    this.#woken.clear();
  }

  damaged(cpu: number): void {
    this.cpu(cpu).damagedSubBuffers++;
  }

  cpu(cpu: number): CpuStatistics {
    let statistics = this.#cpus[cpu];
    if (statistics === undefined) {
      statistics = {
        cpu,
        events: 0,
        lostEvents: 0,
        unknownLosses: 0,
        damagedSubBuffers: 0,
        busyNs: 0,
        watchedNs: 0,
        runningPid: -1,
        runningSince: 0,
      };
      this.cpus.set(cpu, statistics);
      this.#cpus[cpu] = statistics;
    }
    return statistics;
  }

  /**
   * Forgets tasks that did not run since; they start at zero when they run again. Otherwise memory would grow for
   * weeks. Returns their pids.
   */
  forgetIdleSince(stamp: number): number[] {
    const running = new Set([...this.cpus.values()].map(({ runningPid }) => runningPid));
    const idle = [...this.#tasks].filter(([pid, { lastStamp }]) => lastStamp < stamp && !running.has(pid));
    for (const [pid] of idle) this.#tasks.delete(pid);
    for (const [pid, woken] of this.#woken) if (woken < stamp) this.#woken.delete(pid);
    return idle.map(([pid]) => pid);
  }

  /** Tasks by run time, without the idle ones. */
  busiest(count: number): TaskStatistics[] {
    return [...this.#tasks]
      .filter(([pid]) => pid !== 0)
      .sort(([, a], [, b]) => b.runNs - a.runNs)
      .slice(0, count)
      .map(([pid, { runNs, switches }]) => ({ pid, name: this.#catalog.tasks.text(pid), runNs, switches }));
  }

  #count(kind: EventType | undefined): KindCount {
    const counted = { kind, count: 0 };
    this.#counted.push(counted);
    return kind === undefined ? (this.#unknown = counted) : (this.#counts[kind.format.id] = counted);
  }

  #switch(record: EventRecord, cpu: CpuStatistics): void {
    const { timestamp } = record;
    const prev = this.#prevPid?.low(record) ?? 0;
    const next = this.#nextPid?.low(record) ?? 0;
    this.#learnNames(record, prev, next);
    if (cpu.runningPid >= 0) {
      const ran = Math.max(0, timestamp - cpu.runningSince);
      cpu.watchedNs += ran;
      if (prev !== 0) cpu.busyNs += ran;
      const task = this.#task(prev, timestamp);
      if (task !== undefined) task.runNs += ran;
    }
    cpu.runningPid = next;
    cpu.runningSince = timestamp;
    const task = this.#task(next, timestamp);
    if (task !== undefined) task.switches++;
    // A preempted task is not the same as one that has not run since it was woken.
    this.#woken.delete(prev);
    const woken = this.#woken.get(next);
    if (woken === undefined) return;
    this.#woken.delete(next);
    this.wakeups.add(timestamp - woken);
  }

  #task(pid: number, stamp: number): TaskCounts | undefined {
    let task = this.#tasks.get(pid);
    if (task === undefined && this.#tasks.size < this.#tasksMax) {
      task = { runNs: 0, switches: 0, lastStamp: 0 };
      this.#tasks.set(pid, task);
    }
    if (task !== undefined) task.lastStamp = stamp;
    return task;
  }

  #learnNames(record: EventRecord, prev: number, next: number): void {
    const { tasks } = this.#catalog;
    const [prevComm, nextComm] = [this.#switchKind?.text("prev_comm"), this.#switchKind?.text("next_comm")];
    if (prevComm !== undefined) tasks.learn(prev, record.bytes, record.at + prevComm.offset, prevComm.size);
    if (nextComm !== undefined) tasks.learn(next, record.bytes, record.at + nextComm.offset, nextComm.size);
  }
}
