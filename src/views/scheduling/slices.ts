/**
 * What the scheduling of a machine is made of: rows of the tables sched_slice, irq_slice and wait. Times are stamps of the
 * records, in ns. An object is valid until the call that gives it returns.
 */

/** What became of a task when it left its CPU. Preempted: it wants to run on. */
export type LeftAs = "preempted" | "sleeping" | "blocked" | "dead";

/** A task, or the idle task (pid 0), on a CPU from one switch to the next. */
export type SchedSlice = {
  cpu: number;
  pid: number;
  prio: number;
  start: number;
  end: number;
  /** It began before: the recording begins here, or events were lost. */
  isStartCut: boolean;
  /** It went on: the recording ends here, or events were lost. */
  isEndCut: boolean;
  /** Undefined where its end is cut. */
  leftAs: LeftAs | undefined;
  /** Its state then in the kernel's letters: "S", "D", "R+"; undefined where its end is cut. */
  endState: string | undefined;
};

export type InterruptKind = "irq" | "softirq" | "vector";

/** An interrupt handler, a softirq or a vector (irq_vectors) from its entry to its exit, with what interrupted it. */
export type InterruptSlice = {
  cpu: number;
  kind: InterruptKind;
  /** Of a vector always 0. */
  number: number;
  /** "virtio0-input", "TIMER", "local_timer"; "" where it has none. */
  name: string;
  /** The interrupted task. */
  pid: number;
  start: number;
  end: number;
};

/** Why a task waits for a CPU. */
export type WaitCause = "woken" | "new" | "preempted";

/** A task that can run and does not. */
export type Wait = {
  pid: number;
  prio: number;
  cause: WaitCause;
  start: number;
  end: number;
  /** Where it ran then; where its end is cut, the CPU for which it was woken. */
  cpu: number;
  /** It still waits at the end of the recording. */
  isEndCut: boolean;
  /** Of the waker; -1 where the task was preempted. */
  wakerPid: number;
  wakerCpu: number;
  /** In which the waker was: "irq 24 (virtio0)", "softirq TIMER", "an interrupt"; else "". */
  wakerInterrupt: string;
};

export type SchedulingTaker = {
  slice?(slice: SchedSlice): void;
  interrupt?(slice: InterruptSlice): void;
  wait?(wait: Wait): void;
};
