/** The tasks of a machine: what each does now, and how long it ran, waited and slept. */
import { schedulingLimits } from "./limits.ts";
import type { WaitCause } from "./slices.ts";

/** The kernel's begin with -1, which only the deadline class has: no task has this one. */
export const unknownPrio = -1_000;

export type TaskState = "unknown" | "running" | "waiting" | "sleeping" | "blocked" | "dead";

export type TaskTimes = {
  pid: number;
  prio: number;
  state: TaskState;
  /** Since when. */
  since: number;
  /** How often events had begun to be lost by then: the state is known to last only until the next loss. -1: it is not known. */
  era: number;
  /** Where it runs, or for which CPU it was woken. */
  cpu: number;
  /** Of a task that waits. */
  cause: WaitCause;
  wakerPid: number;
  wakerCpu: number;
  wakerInterrupt: string;
  runNs: number;
  /** For a CPU: after it was woken, and after it was preempted. */
  waitNs: number;
  sleepNs: number;
  /** In state D. */
  blockedNs: number;
  runs: number;
  /** Waits whose begin and end are known. */
  waits: number;
  longestWaitNs: number;
};

export class TaskTable {
  readonly #tasks = new Map<number, TaskTimes>();
  readonly #most: number;
  #dead = 0;
  /** Tasks were left out: there were too many. */
  isFull = false;

  constructor(most: number = schedulingLimits.tasks) {
    this.#most = most;
  }

  get all(): Iterable<TaskTimes> {
    return this.#tasks.values();
  }

  find(pid: number): TaskTimes | undefined {
    return this.#tasks.get(pid);
  }

  /** Undefined if there are too many. */
  get(pid: number): TaskTimes | undefined {
    const known = this.#tasks.get(pid);
    if (known !== undefined) return known;
    if (this.#tasks.size >= this.#most && !this.#makeRoom()) {
      this.isFull = true;
      return undefined;
    }
    const task: TaskTimes = {
      pid,
      prio: unknownPrio,
      state: "unknown",
      since: -Infinity,
      era: -1,
      cpu: -1,
      cause: "woken",
      wakerPid: -1,
      wakerCpu: -1,
      wakerInterrupt: "",
      runNs: 0,
      waitNs: 0,
      sleepNs: 0,
      blockedNs: 0,
      runs: 0,
      waits: 0,
      longestWaitNs: 0,
    };
    this.#tasks.set(pid, task);
    return task;
  }

  /** A pid may be used again. */
  setState(task: TaskTimes, state: TaskState): void {
    if (task.state === state) return;
    if (task.state === "dead") this.#dead--;
    if (state === "dead") this.#dead++;
    task.state = state;
  }

  /** Forgets tasks for which nothing was seen since, but for those that run. */
  forgetIdleSince(stamp: number): void {
    for (const [pid, task] of this.#tasks) {
      if (task.since >= stamp || task.state === "running") continue;
      if (task.state === "dead") this.#dead--;
      this.#tasks.delete(pid);
    }
  }

  /** Forgets half of the tasks that ended, those that ran least; not for a few at a time. */
  #makeRoom(): boolean {
    if (this.#dead < this.#most / 8) return false;
    const dead = [...this.#tasks.values()].filter(({ state }) => state === "dead").sort((a, b) => a.runNs - b.runNs);
    const gone = dead.slice(0, Math.ceil(dead.length / 2));
    for (const { pid } of gone) this.#tasks.delete(pid);
    this.#dead -= gone.length;
    return gone.length > 0;
  }
}
