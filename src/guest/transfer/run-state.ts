/**
 * The run state: one SharedArrayBuffer through which the control plane orders the CPU workers and reads their
 * results. A worker in its loop takes no messages; an eventfd per worker wakes it out of poll to read the order
 * word.
 *
 *     Int32   0           lock of the common output (--stdout): 0 free, else 1 + index of the worker that holds it
 *     Int32   1           ControlState: busy while main carries out the orders that the control worker gave it, further ones wait with the worker
 *     Int32   2, 3, 4     lock of the control port: who holds it, who waits for it, newlines to write first (PortLock)
 *     Int32   5           written by main: ms between two periodic checks (LatencyCheck); 0 while nothing runs
 *     Int32   6           written by main: 1 while the host acknowledges what it has read
 *     Int32   7           written by main: Held, while the kernel keeps it busy for a host that knows `progress`
 *     Int32   8           written by the control worker: how often the host's client has left
 *     Int32   9           whether the control worker may order a start by itself, and has done so (control/early-start.ts)
 *     Int32   10 ..       per worker, `wordsPerCpu` words: Word
 *     Float64 (aligned)   per worker, `countersPerCpu` counters: Counter; whole numbers, exact up to 2^53
 *     Float64             per worker, what is known of its port's queue (PortQueue)
 *
 * Each word and counter has one writer, named beside it. Counters are written without atomics: an aligned 64-bit
 * store is not torn, and a slightly older value does no harm; before a worker changes its state it has written them
 * all.
 */
import { PortQueue, portQueueNumbers } from "./port-queue.ts";

export const Order = {
  armed: 0,
  running: 1,
  exit: 2,
  /** As armed, but nothing more is read from the ring buffer: only what was read before is handed over. */
  noMoreReads: 3,
} as const;
export type Order = (typeof Order)[keyof typeof Order];

/** What a worker is doing. */
export const WorkerState = {
  /** Not started, or ended. */
  absent: 0,
  armed: 1,
  running: 2,
  /** A stop order was seen; the data that belongs to the host is being handed over. */
  flushing: 3,
  failed: 4,
  /** The same with trace_pipe_raw closed: what the pipe still holds is handed over. */
  emptyingPipe: 5,
} as const;

/** Whether trace_pipe_raw is open. */
export function isReading(state: number): boolean {
  return state === WorkerState.running || state === WorkerState.flushing;
}

/** What the control worker must know of main, and must do: it may give main orders, they wait, it ends. */
export const ControlState = { free: 0, busy: 1, end: 2 } as const;

/** What main does in calls that can take the kernel seconds; `free` else. Its event loop stands still meanwhile. */
export const Held = { free: 0, set: 1, restore: 2 } as const;

const headerWords = 10;
export const Word = {
  /** Written by main, and by the control worker for a start that main permitted: Order. */
  order: 0,
  /** Written by the worker: WorkerState. */
  state: 1,
  /** Written by the worker: fd of trace_pipe_raw while it is open, else -1, so that main can close it if the worker dies. */
  rawFd: 2,
  /** Written by the worker before it runs, and 0 by who orders that: 0 pinned to its CPU, else why not (errno). */
  pinErrno: 3,
  /** Written by main before the worker starts, and good until the agent ends: the eventfd that wakes it; -1 before. */
  wakeFd: 4,
  /** Written by the worker: 1 while it sleeps until there is data. */
  sleeping: 5,
  /** Set to 1 by the periodic check, and by the worker itself; taken by the worker: the partial sub-buffer is to be sent. */
  partialDue: 6,
} as const;
const wordsPerCpu = 7;

export const Counter = {
  /** Bytes that went into the port. */
  bytes: 0,
  /** Sub-buffers read from the ring buffer. */
  subBuffers: 1,
  /** Bytes read from the ring buffer that did not reach the port. */
  lostBytes: 2,
  /** How often the port could take no more. */
  backpressure: 3,
  /** Trace time when this CPU began to be read, upper and lower 32 bits; both 0 where unknown. */
  beginHigh: 4,
  beginLow: 5,
  /** Written by the control worker: position in the stream up to which the host has taken it; -1 where it did not say. */
  acknowledged: 6,
  /** Written by the control worker: `acknowledged` when the host's client left the last time. */
  acknowledgedAtLeave: 7,
  /** Written by the control worker: `bytes` when it ordered a start by itself. */
  bytesAtStart: 8,
} as const;
const countersPerCpu = 9;

export class RunState {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly counters: Float64Array;

  /** `workers`: how many there is room for, or the memory of the run state as passed to a worker. */
  constructor(workers: number | SharedArrayBuffer) {
    if (typeof workers === "number") {
      const wordBytes = alignedWordBytes(workers);
      this.memory = new SharedArrayBuffer(wordBytes + workers * (countersPerCpu + portQueueNumbers) * 8);
    } else {
      this.memory = workers;
    }
    const count = workersIn(this.memory.byteLength);
    this.words = new Int32Array(this.memory, 0, headerWords + count * wordsPerCpu);
    this.counters = new Float64Array(this.memory, alignedWordBytes(count), count * countersPerCpu);
    if (typeof workers === "number") {
      for (let index = 0; index < count; index++) {
        for (const word of [Word.rawFd, Word.wakeFd]) this.words[wordIndex(index, word)] = -1;
        for (const counter of [Counter.acknowledged, Counter.acknowledgedAtLeave])
          this.counters[counterIndex(index, counter)] = -1;
        this.portQueue(index).forget();
      }
    }
  }

  /** What is known of the queue of a worker's port. */
  portQueue(worker: number): PortQueue {
    const from = this.counters.byteOffset + this.counters.byteLength + worker * portQueueNumbers * 8;
    return new PortQueue(new Float64Array(this.memory, from, portQueueNumbers));
  }

  /** The host has taken the stream up to `position`; not beyond what was sent. */
  acknowledge(worker: number, position: number): void {
    const known = Math.min(position, this.counter(worker, Counter.bytes));
    if (known > this.counter(worker, Counter.acknowledged))
      this.counters[counterIndex(worker, Counter.acknowledged)] = known;
  }

  /**
   * How far the host is known to have taken a stream. Of one that does not acknowledge that is what went into the port: QEMU and the
   * port's queue take MiB for a host that is dead.
   */
  takenByHost(worker: number): number {
    const acks = Atomics.load(this.words, acksIndex) === 1;
    return this.counter(worker, acks ? Counter.acknowledged : Counter.bytes);
  }

  /** The host's client has left, with what it had not taken. Workers see it before they send another piece. */
  hostLeft(): void {
    for (let base = 0; base < this.counters.length; base += countersPerCpu)
      this.counters[base + Counter.acknowledgedAtLeave] = this.counters[base + Counter.acknowledged] ?? -1;
    Atomics.add(this.words, leavesIndex, 1);
  }

  word(worker: number, word: number): number {
    return Atomics.load(this.words, wordIndex(worker, word));
  }

  setWord(worker: number, word: number, value: number): void {
    Atomics.store(this.words, wordIndex(worker, word), value);
  }

  /** Undefined where the worker could not read it. */
  beginTime(worker: number): bigint | undefined {
    const time =
      (BigInt(this.counter(worker, Counter.beginHigh)) << 32n) | BigInt(this.counter(worker, Counter.beginLow));
    return time === 0n ? undefined : time;
  }

  setBeginTime(worker: number, time: bigint): void {
    this.counters[counterIndex(worker, Counter.beginHigh)] = Number(time >> 32n);
    this.counters[counterIndex(worker, Counter.beginLow)] = Number(time & 0xffff_ffffn);
  }

  counter(worker: number, counter: number): number {
    return this.counters[counterIndex(worker, counter)] ?? 0;
  }
}

export const outputLockIndex = 0;
export const controlBusyIndex = 1;
export const portLockIndex = 2;
export const latencyIndex = 5;
export const acksIndex = 6;
export const heldIndex = 7;
export const leavesIndex = 8;
export const startIndex = 9;

export function wordIndex(worker: number, word: number): number {
  return headerWords + worker * wordsPerCpu + word;
}

export function counterIndex(worker: number, counter: number): number {
  return worker * countersPerCpu + counter;
}

function alignedWordBytes(workers: number): number {
  return Math.ceil(((headerWords + workers * wordsPerCpu) * 4) / 8) * 8;
}

function workersIn(bytes: number): number {
  return Math.floor((bytes - headerWords * 4) / (wordsPerCpu * 4 + (countersPerCpu + portQueueNumbers) * 8));
}
