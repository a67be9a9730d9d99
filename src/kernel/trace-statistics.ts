/**
 * What a recording, or a stream so far, amounts to: events by kind and CPU, which tasks ran how long, how long woken tasks
 * waited for a CPU, what was lost. Memory grows with the number of kinds, CPUs and tasks only.
 */
import type { EventCatalog, EventKind } from "./event-catalog.ts";
import type { EventRecord } from "./event-record.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { NumberNode } from "./print-format/number-node.ts";

export type CpuStatistics = {
  cpu: number;
  events: number;
  lostEvents: number;
  /** Times at which events were lost that the kernel did not count. */
  unknownLosses: number;
  damagedSubBuffers: number;
  /** Time of other tasks than the idle one. */
  busyNs: number;
  /** Between the first and the last change of tasks. */
  watchedNs: number;
  /** The task that runs, and since when; -1 before it is known. */
  runningPid: number;
  runningSince: number;
};

export type TaskStatistics = { pid: number; name: string; runNs: number; switches: number };

/** Tasks that are kept apart; a fork bomb has more. */
const tasksMost = 100_000;

export class TraceStatistics {
  readonly kinds = new Map<EventKind | undefined, number>();
  readonly cpus = new Map<number, CpuStatistics>();
  /** May be taken and replaced by an empty one, to count anew. */
  wakeups = new LatencyHistogram();
  events = 0;
  first = Infinity;
  last = -Infinity;
  readonly #catalog: EventCatalog;
  readonly #tasks = new Map<number, { runNs: number; switches: number }>();
  /** When a task that waits for a CPU was woken. */
  readonly #woken = new Map<number, number>();
  readonly #switchKind: EventKind | undefined;
  readonly #prevPid: NumberNode | undefined;
  readonly #nextPid: NumberNode | undefined;
  /** sched_waking comes first, but may not be recorded. */
  readonly #wakings: Map<EventKind, NumberNode>;

  constructor(catalog: EventCatalog) {
    this.#catalog = catalog;
    this.#switchKind = catalog.find("sched", "sched_switch");
    this.#prevPid = this.#switchKind?.number("prev_pid");
    this.#nextPid = this.#switchKind?.number("next_pid");
    this.#wakings = new Map();
    for (const name of ["sched_waking", "sched_wakeup", "sched_wakeup_new"]) {
      const kind = catalog.find("sched", name);
      const pid = kind?.number("pid");
      if (kind !== undefined && pid !== undefined) this.#wakings.set(kind, pid);
    }
  }

  add(record: EventRecord, kind: EventKind | undefined): void {
    this.events++;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    if (record.timestamp < this.first) this.first = record.timestamp;
    if (record.timestamp > this.last) this.last = record.timestamp;
    const cpu = this.cpu(record.cpu);
    cpu.events++;
    if (kind === undefined || record.size < kind.format.minBytes) return;
    if (kind === this.#switchKind) this.#switch(record, cpu);
    else {
      const pid = this.#wakings.get(kind)?.low(record);
      if (pid !== undefined && !this.#woken.has(pid) && this.#woken.size < tasksMost) this.#woken.set(pid, record.timestamp);
    }
  }

  lost(cpu: number, count: number): void {
    const statistics = this.cpu(cpu);
    if (count < 0) statistics.unknownLosses++;
    else statistics.lostEvents += count;
    // What happened since is not known.
    statistics.runningPid = -1;
    this.#woken.clear();
  }

  damaged(cpu: number): void {
    this.cpu(cpu).damagedSubBuffers++;
  }

  cpu(cpu: number): CpuStatistics {
    let statistics = this.cpus.get(cpu);
    if (statistics === undefined) {
      statistics = {
        cpu, events: 0, lostEvents: 0, unknownLosses: 0, damagedSubBuffers: 0, busyNs: 0, watchedNs: 0, runningPid: -1, runningSince: 0,
      };
      this.cpus.set(cpu, statistics);
    }
    return statistics;
  }

  /** Tasks by the time that they ran, without the idle ones. */
  busiest(count: number): TaskStatistics[] {
    return [...this.#tasks]
      .filter(([pid]) => pid !== 0)
      .sort(([, a], [, b]) => b.runNs - a.runNs)
      .slice(0, count)
      .map(([pid, { runNs, switches }]) => ({ pid, name: this.#catalog.tasks.text(pid), runNs, switches }));
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
      const task = this.#task(prev);
      if (task !== undefined) task.runNs += ran;
    }
    cpu.runningPid = next;
    cpu.runningSince = timestamp;
    const task = this.#task(next);
    if (task !== undefined) task.switches++;
    // A task that is preempted and one that never ran since it was woken are not the same.
    this.#woken.delete(prev);
    const woken = this.#woken.get(next);
    if (woken === undefined) return;
    this.#woken.delete(next);
    this.wakeups.add(timestamp - woken);
  }

  #task(pid: number): { runNs: number; switches: number } | undefined {
    let task = this.#tasks.get(pid);
    if (task === undefined && this.#tasks.size < tasksMost) {
      task = { runNs: 0, switches: 0 };
      this.#tasks.set(pid, task);
    }
    return task;
  }

  #learnNames(record: EventRecord, prev: number, next: number): void {
    const { tasks } = this.#catalog;
    const [prevComm, nextComm] = [this.#switchKind?.text("prev_comm"), this.#switchKind?.text("next_comm")];
    if (prevComm !== undefined) tasks.learn(prev, record.bytes, record.at + prevComm.offset, prevComm.size);
    if (nextComm !== undefined) tasks.learn(next, record.bytes, record.at + nextComm.offset, nextComm.size);
  }
}
