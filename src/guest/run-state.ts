/**
 * The run state: one SharedArrayBuffer through which the control plane tells the CPU workers what to do and reads what
 * they did. A worker in its loop takes no messages; an eventfd per worker wakes it out of poll to look at the order word.
 *
 *     Int32   0           lock of the common output (--stdout): 0 free, else 1 + index of the worker that holds it
 *     Int32   1           1 while main handles what the control worker sent it: no more is read from the port
 *     Int32   2 ..        per worker, `wordsPerCpu` words: Word
 *     Float64 (aligned)   per worker, `countersPerCpu` counters: Counter; whole numbers, exact up to 2^53
 *
 * Each word and counter has one writer, named beside it. Counters are written without atomics: an aligned 64-bit store is
 * not torn, and a reader that is a moment behind does no harm; before a worker changes its state it has written them all.
 */
export const Order = { armed: 0, running: 1, exit: 2 } as const;
export type Order = (typeof Order)[keyof typeof Order];

/** What a worker is doing. */
export const WorkerState = {
  /** Not started, or ended. */
  absent: 0,
  armed: 1,
  running: 2,
  /** A stop order was seen; what belongs to the host is being handed over. */
  flushing: 3,
  failed: 4,
} as const;

const headerWords = 2;
export const Word = {
  /** Written by main: Order. */
  order: 0,
  /** Written by the worker: WorkerState. */
  state: 1,
  /** Written by the worker: fd of trace_pipe_raw while it is open, else -1, so that main can close it if the worker dies. */
  rawFd: 2,
  /** Written by the worker: 1 while the port has no host. */
  hostAbsent: 3,
} as const;
const wordsPerCpu = 4;

export const Counter = {
  /** Bytes that went into the port. */
  bytes: 0,
  /** Sub-buffers taken from the ring buffer. */
  subBuffers: 1,
  /** Bytes taken from the ring buffer that did not reach the port. */
  lostBytes: 2,
  /** Times the port could take no more. */
  backpressure: 3,
  /** Partial sub-buffers that were read because they were due. */
  flushes: 4,
} as const;
const countersPerCpu = 8;

export class RunState {
  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly counters: Float64Array;

  /** `workers`: how many there are room for, or the memory of the run state as a worker got it. */
  constructor(workers: number | SharedArrayBuffer) {
    if (typeof workers === "number") {
      const wordBytes = alignedWordBytes(workers);
      this.memory = new SharedArrayBuffer(wordBytes + workers * countersPerCpu * 8);
    } else {
      this.memory = workers;
    }
    const count = workersIn(this.memory.byteLength);
    this.words = new Int32Array(this.memory, 0, headerWords + count * wordsPerCpu);
    this.counters = new Float64Array(this.memory, alignedWordBytes(count), count * countersPerCpu);
    if (typeof workers === "number") {
      for (let index = 0; index < count; index++) this.words[wordIndex(index, Word.rawFd)] = -1;
    }
  }

  word(worker: number, word: number): number {
    return Atomics.load(this.words, wordIndex(worker, word));
  }

  setWord(worker: number, word: number, value: number): void {
    Atomics.store(this.words, wordIndex(worker, word), value);
  }

  counter(worker: number, counter: number): number {
    return this.counters[counterIndex(worker, counter)] ?? 0;
  }
}

export const outputLockIndex = 0;
export const controlBusyIndex = 1;

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
  return Math.floor((bytes - headerWords * 4) / (wordsPerCpu * 4 + countersPerCpu * 8));
}
