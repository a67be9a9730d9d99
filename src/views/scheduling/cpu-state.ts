/** What is known of a CPU while its events come: what runs now, and what ran lately. */
import { CpuHistory } from "./cpu-history.ts";
import { schedulingLimits } from "./limits.ts";

export type Cpu = {
  number: number;
  /** What runs, since when; -1: not known. */
  pid: number;
  prio: number;
  since: number;
  /** Who ran before: its events may come up to the next one, since it is told of a switch before it is done. */
  left: number;
  /** The slice began before. */
  isCut: boolean;
  /** Time of its last event; NaN before the first. */
  last: number;
  /** Since when without a loss. */
  known: number;
  /** Its events are being lost: the next one ends that. */
  loses: boolean;
  /** Switches that are not in the recording: a filter left them out, or it was cut. */
  unseen: boolean;
  history: CpuHistory;
  interrupts: CpuHistory;
};

export type Ran = { pid: number; prio: number; ns: number };

/** What a CPU did in a time; `isWhole`: nothing of it is forgotten, or was lost. */
export type Meanwhile = { ran: Ran[]; interruptsNs: number; isWhole: boolean };

/** `cpus`: how many there are, which share the memory. */
export function newCpu(number: number, cpus: number): Cpu {
  const { historySlices, historySlicesMost, historySlicesLeast, historyInterrupts } = schedulingLimits;
  const sharedBy = (all: number): number =>
    Math.min(historySlicesMost, Math.max(historySlicesLeast, Math.floor(all / cpus)));
  return {
    number,
    pid: -1,
    prio: 0,
    since: 0,
    left: -1,
    isCut: false,
    last: NaN,
    known: NaN,
    loses: false,
    unseen: false,
    history: new CpuHistory(sharedBy(historySlices)),
    interrupts: new CpuHistory(sharedBy(historyInterrupts)),
  };
}

export function meanwhileOf({ history, interrupts, known }: Cpu, from: number, to: number): Meanwhile {
  const byTask = new Map<number, Ran>();
  const isKept = history.forEachIn(from, to, (ns, pid, prio) => {
    const ran = byTask.get(pid);
    if (ran === undefined) byTask.set(pid, { pid, prio, ns });
    else ran.ns += ns;
  });
  let interruptsNs = 0;
  const areKept = interrupts.forEachIn(from, to, (ns) => (interruptsNs += ns));
  const ran = [...byTask.values()].sort((a, b) => b.ns - a.ns);
  return { ran, interruptsNs, isWhole: isKept && areKept && !(known > from) };
}
