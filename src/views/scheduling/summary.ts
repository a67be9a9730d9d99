/** The scheduling of one machine summed up: the longest waits with what ran meanwhile, the longest interrupts and slices. */
import type { EventCatalog } from "../../events/event-catalog.ts";
import { LatencyHistogram } from "../latency-histogram.ts";
import { interruptText } from "./interrupts.ts";
import { schedulingLimits } from "./limits.ts";
import { Longest } from "./longest.ts";
import { Scheduling } from "./scheduling.ts";
import type { InterruptSlice, LeftAs, SchedSlice, SchedulingTaker, Wait, WaitCause } from "./slices.ts";
import type { TaskTimes } from "./task-times.ts";

/** Names are texts of the kernel, not cleaned. */
export type NamedTask = { pid: number; name: string; prio: number };
export type LongWait = {
  task: NamedTask;
  cause: WaitCause;
  start: number;
  end: number;
  cpu: number;
  isEndCut: boolean;
  /** Undefined where the task was preempted. */
  waker: { pid: number; name: string; cpu: number; interrupt: string } | undefined;
  /** What ran on the CPU where it ran then, longest first; pid 0 is the idle task. `isWhole`: all of it is known. */
  ran: (NamedTask & { ns: number })[];
  othersNs: number;
  interruptsNs: number;
  isWhole: boolean;
};
export type LongInterrupt = {
  what: string;
  cpu: number;
  start: number;
  end: number;
  interrupted: Omit<NamedTask, "prio">;
};
export type LongSlice = {
  task: NamedTask;
  cpu: number;
  start: number;
  end: number;
  isStartCut: boolean;
  isEndCut: boolean;
  leftAs: LeftAs | undefined;
};
export type NamedTimes = { times: TaskTimes; name: string };
export type InterruptTimes = { what: string; count: number; totalNs: number; maxNs: number };

/** Whose waits are shown; none given: all. */
export type TaskChoice = {
  pids?: readonly number[] | undefined;
  comms?: readonly string[] | undefined;
  /** On which the task ran then. */
  cpus?: readonly number[] | undefined;
};

export class SchedulingSummary implements SchedulingTaker {
  readonly scheduling: Scheduling;
  /** Others that are told of all waits and slices, whatever was chosen. */
  readonly alsoTold: SchedulingTaker[] = [];
  /** Without those that a loss or the recording's end cut. */
  readonly wakeups = new LatencyHistogram();
  readonly preemptions = new LatencyHistogram();
  readonly woken: Longest<LongWait>;
  readonly preempted: Longest<LongWait>;
  readonly interrupts: Longest<LongInterrupt>;
  readonly slices: Longest<LongSlice>;
  readonly interruptTimes = new Map<string, InterruptTimes>();
  readonly #catalog: EventCatalog;
  readonly #pids: ReadonlySet<number> | undefined;
  readonly #comms: ReadonlySet<string> | undefined;
  readonly #cpus: ReadonlySet<number> | undefined;

  /** `cpus`: how many the machine has. `longest`: how many of each kind are kept. */
  constructor(
    catalog: EventCatalog,
    { cpus, longest, tasksMost }: { cpus: number; longest: number; tasksMost?: number },
    choice: TaskChoice = {},
  ) {
    this.#catalog = catalog;
    this.scheduling = new Scheduling(catalog, this, { cpus, ...(tasksMost === undefined ? {} : { tasksMost }) });
    this.woken = new Longest(longest);
    this.preempted = new Longest(longest);
    this.interrupts = new Longest(longest);
    this.slices = new Longest(longest);
    this.#pids = choice.pids === undefined ? undefined : new Set(choice.pids);
    this.#comms = choice.comms === undefined || choice.comms.length === 0 ? undefined : new Set(choice.comms);
    this.#cpus = choice.cpus === undefined ? undefined : new Set(choice.cpus);
  }

  wait(wait: Wait): void {
    for (const other of this.alsoTold) other.wait?.(wait);
    if (!this.#isChosen(wait.pid, wait.cpu)) return;
    const ns = wait.end - wait.start;
    const isPreemption = wait.cause === "preempted";
    if (!wait.isEndCut) (isPreemption ? this.preemptions : this.wakeups).add(ns);
    const longest = isPreemption ? this.preempted : this.woken;
    if (longest.admits(ns)) longest.add(ns, this.#longWait(wait));
  }

  slice(slice: SchedSlice): void {
    for (const other of this.alsoTold) other.slice?.(slice);
    const { pid, prio, cpu, start, end, isStartCut, isEndCut, leftAs } = slice;
    if (pid === 0 || !this.slices.admits(end - start) || !this.#isChosen(pid, cpu)) return;
    const task = { pid, name: this.#name(pid), prio };
    this.slices.add(end - start, { task, cpu, start, end, isStartCut, isEndCut, leftAs });
  }

  interrupt(slice: InterruptSlice): void {
    for (const other of this.alsoTold) other.interrupt?.(slice);
    const { pid, cpu, start, end } = slice;
    if (this.#cpus?.has(cpu) === false) return;
    const what = interruptText(slice);
    let times = this.interruptTimes.get(what);
    if (times === undefined && this.interruptTimes.size < schedulingLimits.interruptKinds)
      this.interruptTimes.set(what, (times = { what, count: 0, totalNs: 0, maxNs: 0 }));
    if (times !== undefined) {
      times.count++;
      times.totalNs += end - start;
      times.maxNs = Math.max(times.maxNs, end - start);
    }
    if (!this.interrupts.admits(end - start)) return;
    this.interrupts.add(end - start, { what, cpu, start, end, interrupted: { pid, name: this.#name(pid) } });
  }

  /** Those that ran or waited, the longest wait first. */
  tasks(count: number): NamedTimes[] {
    return [...this.scheduling.tasks.all]
      .filter(({ pid, runs, waitNs }) => (runs > 0 || waitNs > 0) && this.#isChosen(pid, undefined))
      .sort((a, b) => b.waitNs - a.waitNs || b.runNs - a.runNs || a.pid - b.pid)
      .slice(0, count)
      .map((times) => ({ times, name: this.#name(times.pid) }));
  }

  #longWait(wait: Wait): LongWait {
    const { pid, prio, cause, start, end, cpu, isEndCut, wakerPid, wakerCpu, wakerInterrupt } = wait;
    const { ran, interruptsNs, isWhole } = this.scheduling.meanwhile(cpu, start, end);
    const others = ran.slice(schedulingLimits.meanwhileTasks);
    return {
      task: { pid, name: this.#name(pid), prio },
      cause,
      start,
      end,
      cpu,
      isEndCut,
      waker:
        wakerPid < 0
          ? undefined
          : { pid: wakerPid, name: this.#name(wakerPid), cpu: wakerCpu, interrupt: wakerInterrupt },
      ran: ran
        .slice(0, schedulingLimits.meanwhileTasks)
        .map((other) => ({ pid: other.pid, name: this.#name(other.pid), prio: other.prio, ns: other.ns })),
      othersNs: others.reduce((sum, { ns }) => sum + ns, 0),
      interruptsNs,
      isWhole,
    };
  }

  #isChosen(pid: number, cpu: number | undefined): boolean {
    if (this.#pids?.has(pid) === false) return false;
    if (cpu !== undefined && this.#cpus?.has(cpu) === false) return false;
    return this.#comms === undefined || this.#comms.has(this.#name(pid));
  }

  #name(pid: number): string {
    return pid === 0 ? "idle" : this.#catalog.tasks.text(pid);
  }
}
