/** One CPU's stream in its worker: fds, sizes, and the loop's state between two iterations. */
import { E, SystemError } from "../../../ffi/errno.ts";
import { EdgeWatch } from "../../../ffi/epoll.ts";
import { closeFd, type PreparedPath, preparePath } from "../../../ffi/fd.ts";
import { pipeSize, setPipeSize } from "../../../ffi/pipe.ts";
import { POLL, PollSet } from "../../../ffi/poll.ts";
import { SmallFile } from "../../../ffi/small-file.ts";
import { assert } from "../../base/errors.ts";
import { cpuStatsFile } from "../../tracefs/cpu-stats.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import type { PortTraits } from "../../transport/transport.ts";
import type { PortQueue } from "./port-queue.ts";
import { acksIndex, Counter, counterIndex, leavesIndex, type RunState, Word, wordIndex } from "./run-state.ts";

export type StreamSettings = {
  worker: number;
  cpu: number;
  tracingDirectory: string;
  subBufferBytes: number;
  /** Most that one splice reads from the ring buffer, if that is a whole sub-buffer or more. */
  spliceBytes: number;
  /** The same where the host acknowledges. */
  ackedSpliceBytes: number;
  wakeFd: number;
  doneFd: number;
  pipeRead: number;
  pipeWrite: number;
  outputFd: number;
  outputTraits: PortTraits;
  /** The output belongs to all workers: sub-buffers must not interleave. */
  outputShared: boolean;
};

/** Indexes in the poll sets. */
export const wakeSlot = 0;
export const dataSlot = 1;

export class Stream {
  readonly settings: StreamSettings;
  /** What a start opens: the names are made while nothing waits. */
  readonly rawPath: PreparedPath;
  readonly statsFile: SmallFile;
  readonly #subBufferSizeFile: SmallFile;
  readonly words: Int32Array;
  readonly counters: Float64Array;
  readonly counterBase: number;
  readonly stateIndex: number;
  readonly orderIndex: number;
  readonly sleepingIndex: number;
  readonly partialDueIndex: number;
  /**
   * buffer_subbuf_size_kb can change at any time: read at each start, and corrected by the size that read()
   * returns.
   */
  subBufferBytes: number;
  /** Most that one splice reads from the ring buffer: a multiple of the sub-buffer size, else splice refuses it. */
  spliceBytes: number;
  /** Of a port that holds what its host has not read; undefined where the port bounds itself. */
  readonly queue: PortQueue | undefined;
  readonly acknowledgedIndex: number;
  readonly acknowledgedAtLeaveIndex: number;
  readonly pipeRead: number;
  readonly pipeWrite: number;
  readonly outputFd: number;
  readonly outputShared: boolean;
  readonly wakeFd: number;
  /**
   * Holds one partial sub-buffer on its way from read() into the pipe, or a copy where splice is refused. Larger
   * than a sub-buffer, so that a read shows when the size was changed.
   */
  partial: Uint8Array<ArrayBuffer>;
  /** The part of `partial` that has not gone into the pipe yet: a pipe can be smaller than a sub-buffer. */
  heldFrom = 0;
  heldTo = 0;
  readonly dataPoll = new PollSet(2);
  readonly portPoll = new PollSet(2);
  readonly hostWatch: EdgeWatch | undefined;
  rawFd = -1;
  /** Bytes in the pipe. */
  queued = 0;
  /** Bytes of the current sub-buffer that have gone into the port: not 0 only after a short send. */
  sentOfSubBuffer = 0;
  /** Whole sub-buffers arrived since the last wait. */
  foundWhole = false;
  /** poll returned POLLIN and there was no whole sub-buffer: another poll would return the same at once. */
  spuriousWakeUp = false;
  /** That happened in this run: poll wakes at every event here (old kernels, buffer_percent 0). */
  wakesEarly = false;
  /** The ring buffer is left out of the poll set: until the periodic check, or while whole sub-buffers arrive. */
  blind = false;
  /** Longest wait for data in ms; -1: until an order or the periodic check. */
  sleepMs = -1;
  /** The driver has dropped a piece: it is given no large ones any more, of which more would be lost. */
  pieceLost = false;
  /** splice to this output is refused (O_APPEND): read and write instead. */
  copies = false;
  failure = 0;
  /** Since when the kernel has refused a call for lack of memory, by performance.now(); 0: it does not. */
  deniedSince = 0;
  /** trace_pipe_raw was reopened after EINVAL, and nothing was read since: reopening once is enough. */
  reopened = false;
  /** The pipe is smaller than a sub-buffer, and splice reads only what the pipe has pages for: use read and write. */
  readsOnly = false;
  /** The last read left no whole sub-buffer: another one right after it would find nothing. */
  drained = false;
  /** Not 0 only in a JIT warm-up: the loop ends after this many iterations. */
  iterationsLeft = 0;

  constructor(settings: StreamSettings, run: RunState) {
    this.settings = settings;
    const { tracingDirectory, cpu } = settings;
    this.rawPath = preparePath(`${tracingDirectory}/per_cpu/cpu${cpu}/trace_pipe_raw`);
    this.statsFile = cpuStatsFile(tracingDirectory, cpu);
    this.#subBufferSizeFile = new SmallFile(`${tracingDirectory}/buffer_subbuf_size_kb`, numberBytesMax);
    this.words = run.words;
    this.counters = run.counters;
    this.counterBase = counterIndex(settings.worker, 0);
    this.stateIndex = wordIndex(settings.worker, Word.state);
    this.orderIndex = wordIndex(settings.worker, Word.order);
    this.sleepingIndex = wordIndex(settings.worker, Word.sleeping);
    this.partialDueIndex = wordIndex(settings.worker, Word.partialDue);
    this.subBufferBytes = settings.subBufferBytes;
    this.spliceBytes = wholeSubBuffers(settings.spliceBytes, settings.subBufferBytes);
    this.queue = settings.outputTraits.spliceMaxBytes === Infinity ? undefined : run.portQueue(settings.worker);
    this.acknowledgedIndex = counterIndex(settings.worker, Counter.acknowledged);
    this.acknowledgedAtLeaveIndex = counterIndex(settings.worker, Counter.acknowledgedAtLeave);
    this.pipeRead = settings.pipeRead;
    this.pipeWrite = settings.pipeWrite;
    this.outputFd = settings.outputFd;
    this.outputShared = settings.outputShared;
    this.wakeFd = settings.wakeFd;
    this.partial = partialFor(settings.subBufferBytes);
    this.dataPoll.set(wakeSlot, settings.wakeFd, POLL.IN);
    this.portPoll.set(wakeSlot, settings.wakeFd, POLL.IN);
    this.portPoll.set(dataSlot, settings.outputFd, POLL.OUT);
    this.hostWatch = settings.outputTraits.absentHost ? new EdgeWatch(settings.outputFd) : undefined;
  }

  /**
   * What this CPU's ring buffer can hold now, in bytes of whole sub-buffers; read once per stop order. The kernel's
   * size covers the data alone: each sub-buffer also has a header, and the reader holds one more sub-buffer.
   */
  ringBufferBytes(): number {
    const { tracingDirectory, cpu } = this.settings;
    const text = new SmallFile(`${tracingDirectory}/per_cpu/cpu${cpu}/buffer_size_kb`, numberBytesMax).read();
    const dataBytes = Number.parseInt(text, 10) * 1024;
    assert(dataBytes >= 0, `buffer_size_kb is a number: "${text}"`);
    const subBuffers = Math.ceil(dataBytes / (this.subBufferBytes - subBufferHeaderBytes)) + 1;
    return subBuffers * this.subBufferBytes;
  }

  /** Reads the sub-buffer size: after an open, and when a read was larger than expected. */
  learnSubBufferSize(): void {
    const bytes = subBufferSize(this.#subBufferSizeFile);
    if (bytes === undefined) return;
    this.subBufferBytes = bytes;
    this.spliceBytes = wholeSubBuffers(this.settings.spliceBytes, bytes);
    this.readsOnly = pipeSize(this.pipeWrite) < bytes && setPipeSize(this.pipeWrite, bytes) < bytes;
    if (this.partial.length >= 2 * bytes) return;
    const larger = partialFor(bytes);
    larger.set(this.partial);
    this.partial = larger;
  }

  /** A run begins: what the ring buffer holds goes out at once, the partial sub-buffer too. */
  begin(): void {
    this.wakesEarly = this.blind = this.spuriousWakeUp = this.drained = false;
    wantPartial(this);
  }

  /** While trace_pipe_raw is open the kernel refuses a change of the tracer. */
  closeRingBuffer(): void {
    if (this.rawFd < 0) return;
    Atomics.store(this.words, wordIndex(this.settings.worker, Word.rawFd), -1);
    closeFd(this.rawFd);
    this.rawFd = -1;
  }

  close(): void {
    this.hostWatch?.close();
  }
}

/** u64 time stamp and the kernel's long; 12 bytes on a 32-bit kernel, so this errs on the side of more sub-buffers. */
const subBufferHeaderBytes = 16;

function wholeSubBuffers(bytes: number, subBufferBytes: number): number {
  return Math.max(Math.floor(bytes / subBufferBytes), 1) * subBufferBytes;
}

function partialFor(subBufferBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(2 * subBufferBytes));
}

/** A number and its unit or explanation. */
const numberBytesMax = 64;

/** In bytes; undefined before Linux 6.8, where it is a page and cannot change. */
function subBufferSize(file: SmallFile): number | undefined {
  try {
    const bytes = Number.parseInt(file.read(), 10) * 1024;
    return bytes >= 1024 && bytes <= tracefsLimits.subBufferMaxBytes ? bytes : undefined;
  } catch (error) {
    if (error instanceof SystemError && error.errno === E.ENOENT) return undefined;
    throw error;
  }
}

/** Most that may be taken out of the ring buffer now: a multiple of the sub-buffer size. */
export function nextSpliceBytes(stream: Stream): number {
  const { queue, subBufferBytes, spliceBytes } = stream;
  if (queue === undefined) return spliceBytes;
  queue.hostLeft(Atomics.load(stream.words, leavesIndex), stream.counters[stream.acknowledgedAtLeaveIndex] ?? -1);
  queue.acknowledge(stream.counters[stream.acknowledgedIndex] ?? -1);
  const acks = Atomics.load(stream.words, acksIndex) === 1 && !stream.pieceLost;
  return wholeSubBuffers(
    queue.pieceBytes(acks, subBufferBytes, spliceBytes, stream.settings.ackedSpliceBytes),
    subBufferBytes,
  );
}

export function currentOrder(stream: Stream): number {
  return Atomics.load(stream.words, stream.orderIndex);
}

export function setState(stream: Stream, state: number): void {
  Atomics.store(stream.words, stream.stateIndex, state);
}

/** The partial sub-buffer is to be sent at the next opportunity. */
export function wantPartial(stream: Stream): void {
  Atomics.store(stream.words, stream.partialDueIndex, 1);
}

/** Whether the partial sub-buffer is to be sent now: asked once, it counts as being sent. */
export function takePartialDue(stream: Stream): boolean {
  if (Atomics.exchange(stream.words, stream.partialDueIndex, 0) === 0) return false;
  stream.blind = false;
  return true;
}

/** Adds to a counter of this worker, its only writer. */
export function add(stream: Stream, counter: number, amount: number): void {
  const index = stream.counterBase + counter;
  stream.counters[index] = (stream.counters[index] ?? 0) + amount;
}
