/** One CPU's stream as its worker holds it: fds, sizes, and what the loop keeps between two turns. */
import { EdgeWatch } from "../../ffi/epoll.ts";
import { readText } from "../../ffi/fd.ts";
import { POLL, PollSet } from "../../ffi/poll.ts";
import type { OutputKind } from "./output-kind.ts";
import { counterIndex, type RunState, Word, wordIndex } from "./run-state.ts";

export type StreamSettings = {
  worker: number;
  cpu: number;
  tracingDirectory: string;
  subBufferBytes: number;
  /** Most that one splice takes out of the ring buffer, a multiple of the sub-buffer size. */
  takeBytes: number;
  wakeFd: number;
  doneFd: number;
  pipeRead: number;
  pipeWrite: number;
  outputFd: number;
  outputKind: OutputKind;
  /** The output belongs to all workers: sub-buffers must not interleave. */
  outputShared: boolean;
};

/** Indexes in the poll sets. */
export const wakeSlot = 0;
export const dataSlot = 1;

export class Stream {
  readonly settings: StreamSettings;
  readonly words: Int32Array;
  readonly counters: Float64Array;
  readonly counterBase: number;
  readonly stateIndex: number;
  readonly orderIndex: number;
  /** Corrected by read(), which always gives a whole one, when buffer_subbuf_size_kb is changed on the way. */
  subBufferBytes: number;
  readonly takeBytes: number;
  readonly pipeRead: number;
  readonly pipeWrite: number;
  readonly outputFd: number;
  readonly outputShared: boolean;
  readonly wakeFd: number;
  /** Holds one partial sub-buffer on its way from read() into the pipe, or a copy where splice is refused. */
  readonly partial: Uint8Array<ArrayBuffer>;
  readonly dataPoll = new PollSet(2);
  readonly portPoll = new PollSet(2);
  readonly hostWatch: EdgeWatch | undefined;
  rawFd = -1;
  /** Bytes in the pipe. */
  queued = 0;
  /** Bytes of the current sub-buffer that have gone into the port: not 0 only after a short send. */
  sentOfSubBuffer = 0;
  /** When the partial sub-buffer is to be sent, in the time of performance.now(). */
  partialDueAt = 0;
  /** What came since the last wait: look again soon. */
  foundBytes = 0;
  /** poll said POLLIN and no whole sub-buffer was there: another poll would say the same at once. */
  wokenInVain = false;
  /** splice to this output is refused (O_APPEND): read and write instead. */
  copies = false;
  failure = 0;
  /** trace_pipe_raw was opened anew after EINVAL, and nothing has come out of it since: once is enough. */
  reopened = false;
  /** The last take left no whole sub-buffer: another one right behind it would find nothing. */
  drained = false;
  /** Not 0 only in a rehearsal: the loop ends after so many turns. */
  turnsLeft = 0;

  constructor(settings: StreamSettings, run: RunState) {
    this.settings = settings;
    this.words = run.words;
    this.counters = run.counters;
    this.counterBase = counterIndex(settings.worker, 0);
    this.stateIndex = wordIndex(settings.worker, Word.state);
    this.orderIndex = wordIndex(settings.worker, Word.order);
    this.subBufferBytes = settings.subBufferBytes;
    this.takeBytes = settings.takeBytes;
    this.pipeRead = settings.pipeRead;
    this.pipeWrite = settings.pipeWrite;
    this.outputFd = settings.outputFd;
    this.outputShared = settings.outputShared;
    this.wakeFd = settings.wakeFd;
    this.partial = new Uint8Array(new ArrayBuffer(Math.max(settings.subBufferBytes, settings.takeBytes)));
    this.dataPoll.set(wakeSlot, settings.wakeFd, POLL.IN);
    this.portPoll.set(wakeSlot, settings.wakeFd, POLL.IN);
    this.portPoll.set(dataSlot, settings.outputFd, POLL.OUT);
    this.hostWatch = settings.outputKind === "virtio" ? new EdgeWatch(settings.outputFd) : undefined;
  }

  /** Size of this CPU's ring buffer now; asked for once per stop order, since it can be changed at any time. */
  ringBufferBytes(): number {
    const { tracingDirectory, cpu } = this.settings;
    return Number.parseInt(readText(`${tracingDirectory}/per_cpu/cpu${cpu}/buffer_size_kb`, 64), 10) * 1024;
  }

  close(): void {
    this.hostWatch?.close();
  }
}

export function currentOrder(stream: Stream): number {
  return Atomics.load(stream.words, stream.orderIndex);
}

export function setState(stream: Stream, state: number): void {
  Atomics.store(stream.words, stream.stateIndex, state);
}

/** Adds to a counter of this worker, its only writer. */
export function add(stream: Stream, counter: number, amount: number): void {
  const index = stream.counterBase + counter;
  stream.counters[index] = (stream.counters[index] ?? 0) + amount;
}
