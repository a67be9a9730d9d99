/**
 * What a page holds: a text of JSON and, behind it, the columns of all rows; packed with gzip, as text of 85 letters. The exporter
 * writes it and the page's code reads it.
 *
 *     u32 (little endian) bytes of the JSON | the JSON | the columns of the first row, of the second ...
 *
 * A column holds its numbers in 7 bits a byte, the low ones first; the highest bit says that more follow. First come the first bytes of
 * all numbers, then the second bytes of those that have one, and so on: gzip packs them better than the bytes of one number together.
 *
 * Times are whole ns from `epoch` on. All texts are clean: letters, no control characters.
 */

/** Printable ones of ASCII but for those that mean something in HTML or a mail. */
export const letters85 = "!#$%()*+,.0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~";

/** The columns of a row's slices, in this order. */
export const sliceColumns = ["gap", "duration", "task", "flags", "wait", "waker", "wakerCpu", "wakerIn"] as const;
/** Of its interrupts, of other events, and of losses. */
export const interruptColumns = ["gap", "duration", "name", "task"] as const;
export const markColumns = ["gap", "name", "task", "fields"] as const;
export const lossColumns = ["gap", "duration", "count"] as const;

/** In `flags` of a slice: how the task left, then whether its begin or end was not seen. */
export const leftAsWords = ["", "preempted", "sleeping", "blocked", "dead"] as const;
export const [startCut, endCut] = [8, 16];
/** In `fields` of a mark: 0 where nothing is told, else 1 + the place among `fieldTexts`. In `count` of a loss: 0 where the kernel did not count, else 1 + count. In `wait`: 0 none, else 1 + cause + so many times the ns. */
export const waitCauses = ["woken", "new", "preempted"] as const;

/** `bytes`: of each column. */
export type ColumnsHead = { count: number; bytes: number[] };

export type RowHead = {
  cpu: number;
  slices: ColumnsHead;
  interrupts: ColumnsHead;
  marks: ColumnsHead;
  losses: ColumnsHead;
};

export type TaskHead = [pid: number, name: string];

export type GuestHead = {
  name: string;
  /** Place among the machines of the page; -1 where the guest itself was not recorded with its host. */
  machine: number;
  /** By vCPU the host's task; -1 where that is not known. */
  tasks: number[];
};

export type MachineHead = {
  /** "" for the only machine. */
  label: string;
  /** Place of an earlier recording of the same machine, in whose rows it is shown; -1 where there is none. */
  continues: number;
  /** Why it has no rows. */
  without?: string;
  /** How well its clock is known beside the others. */
  clock?: string;
  /** Null where it has no events. */
  first: number | null;
  last: number | null;
  tasks: TaskHead[];
  /** Of interrupts, events, and what a waker was in. */
  names: string[];
  /** What the fields of marked events say, as `report` prints them. */
  fieldTexts: string[];
  rows: RowHead[];
  guests: GuestHead[];
  /** As `report --stat --json` has it, times from `epoch` on. */
  summary: Summary;
};

export type PageHead = {
  title: string;
  /** ns, as a text: beyond what a number holds. */
  epoch: string;
  recorded: string;
  tool: string;
  machines: MachineHead[];
  /** What the page leaves out, and what else a reader should know. */
  notes: string[];
};

export type NamedTask = { pid: number; comm: string };
export type RanTask = NamedTask & { ns: number };
export type LongWaitRow = NamedTask & {
  cause: string;
  from: number;
  waitNs: number;
  ended: boolean;
  cpu: number;
  waker: (NamedTask & { cpu: number; interrupt: string | null }) | null;
  meanwhile: RanTask[];
  /** Of those that are not named. */
  othersNs: number;
  interruptsNs: number;
  meanwhileKnown: boolean;
};
export type StallRow = {
  vcpus: number[];
  cause: string;
  from: number;
  ns: number;
  ended: boolean;
  cpu: number;
  meanwhile: RanTask[];
  inside: (NamedTask & { from: number; latencyNs: number; stalledNs: number })[];
  insideCount: number;
};
export type Latencies = {
  count: number;
  p50Ns: number;
  p90Ns: number;
  p99Ns: number;
  maxNs: number;
  histogram: { fromNs: number; toNs: number; count: number }[];
};
export type TaskRow = NamedTask & {
  runNs: number;
  waitNs: number;
  sleepNs: number;
  blockedNs: number;
  runs: number;
  maxWaitNs: number;
};
export type GuestRow = {
  guest: string;
  threads: {
    vcpus: number[];
    task: number | null;
    comm?: string;
    runNs?: number;
    waitNs?: number;
    idleNs?: number;
    unknownNs?: number;
    stalls?: number;
  }[];
  longestStalls: StallRow[];
};

export type Summary = {
  machine: string;
  clock: string;
  events: number;
  lost: number;
  lostUncounted: number;
  damagedSubBuffers: number;
  kinds: { system: string | null; event: string | null; count: number }[];
  cpus: {
    cpu: number;
    events: number;
    lost: number;
    lostUncounted: number;
    busyNs: number | null;
    watchedNs: number | null;
  }[];
  scheduling: {
    woken: Latencies;
    preempted: Latencies;
    leftOut: number;
    longestWoken: LongWaitRow[];
    longestPreempted: LongWaitRow[];
    longestInterrupts: { interrupt: string; cpu: number; from: number; ns: number; interrupted: NamedTask }[];
    interrupts: { interrupt: string; count: number; totalNs: number; maxNs: number }[];
    tasks: TaskRow[];
  } | null;
  guests?: GuestRow[];
};
