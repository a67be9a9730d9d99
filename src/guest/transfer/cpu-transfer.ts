/** The control plane's handle of one CPU's transfer: its fds, its Worker, and its end. */
import { SystemError } from "../../../ffi/errno.ts";
import { signalEventFd } from "../../../ffi/eventfd.ts";
import { closeFd, O } from "../../../ffi/fd.ts";
import { makePipe, type Pipe, pipeSize, setPipeSize } from "../../../ffi/pipe.ts";
import { log } from "../../base/log.ts";
import type { CpuWorkerEnd, CpuWorkerJob } from "./cpu-worker.ts";
import type { Output } from "../../transport/transport.ts";
import { cpuWorkerFile, lastError } from "../worker-files.ts";
import { Order, outputLockIndex, type RunState, Word, WorkerState } from "./run-state.ts";

export type StreamPlan = {
  run: RunState;
  worker: number;
  cpu: number;
  tracingDirectory: string;
  subBufferBytes: number;
  pipeSizeBytes: number;
  doneFd: number;
  /** Wakes the worker; it belongs to the CPU's slot, since others signal it too. */
  wakeFd: number;
};

/** How a worker ended: "crash" is an exception in our own code or a thread that vanished. */
export type StreamEnd = { part: CpuWorkerEnd["part"] | "crash"; errno: number; reason: string };

export class CpuTransfer {
  readonly plan: StreamPlan;
  readonly output: Output;
  readonly #fds: number[];
  readonly #worker: Worker;
  #ended = false;

  /**
   * Starts the worker; its state says when it is armed. `onEnd` is called once, whatever the reason. Throws when
   * the system has no more descriptors or threads; then nothing stays open but the output, which remains the
   * caller's.
   */
  constructor(plan: StreamPlan, output: Output, order: Order, onEnd: (end: StreamEnd) => void) {
    this.plan = plan;
    this.output = output;
    this.#fds = [];
    try {
      const pipe = makePipe(O.NONBLOCK);
      this.#fds.push(pipe.read, pipe.write);
      const settings = this.#settings(pipe);
      plan.run.setWord(plan.worker, Word.state, WorkerState.absent);
      plan.run.setWord(plan.worker, Word.pinErrno, 0);
      plan.run.setWord(plan.worker, Word.sleeping, 0);
      plan.run.setWord(plan.worker, Word.order, order);
      this.#worker = new Worker(cpuWorkerFile, { smol: true });
      this.#worker.postMessage({ memory: plan.run.memory, settings } satisfies CpuWorkerJob);
    } catch (error) {
      for (const fd of this.#fds) closeFd(fd);
      throw error;
    }
    if (!output.shared) this.#fds.push(output.fd);
    this.#listen(onEnd);
  }

  #settings(pipe: Pipe): CpuWorkerJob["settings"] {
    const { plan, output } = this;
    const pipeBytes = growPipe(plan, pipe.write);
    return {
      worker: plan.worker,
      cpu: plan.cpu,
      tracingDirectory: plan.tracingDirectory,
      subBufferBytes: plan.subBufferBytes,
      spliceBytes: Math.min(output.traits.spliceMaxBytes, pipeBytes),
      ackedSpliceBytes: Math.min(output.traits.ackedSpliceMaxBytes, pipeBytes),
      wakeFd: plan.wakeFd,
      doneFd: plan.doneFd,
      pipeRead: pipe.read,
      pipeWrite: pipe.write,
      outputFd: output.fd,
      outputTraits: output.traits,
      outputShared: output.shared,
    };
  }

  #listen(onEnd: (end: StreamEnd) => void): void {
    this.#worker.onmessage = (message: MessageEvent<CpuWorkerEnd>) => {
      const { part, errno } = message.data;
      this.#end(
        { part, errno, reason: errno === 0 ? "" : new SystemError(part, `cpu${this.plan.cpu}`, errno).message },
        onEnd,
      );
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end({ part: "crash", errno: 0, reason: lastError(event.message) }, onEnd);
    };
    this.#worker.addEventListener("close", () =>
      this.#end({ part: "crash", errno: 0, reason: "its thread ended" }, onEnd),
    );
  }

  get state(): number {
    return this.plan.run.word(this.plan.worker, Word.state);
  }

  /** Why the worker is not pinned to its CPU; 0 when it is. */
  get pinErrno(): number {
    return this.plan.run.word(this.plan.worker, Word.pinErrno);
  }

  order(order: Order): void {
    if (this.#ended) return;
    const { run, worker, wakeFd } = this.plan;
    if (order === Order.running) {
      const before = run.word(worker, Word.order);
      // A run that goes on: its worker has data to move.
      if (before === order && this.state === WorkerState.running) return;
      // Forget the earlier result, since the CPU may be online again; but not that of a run which goes on.
      if (before !== order) run.setWord(worker, Word.pinErrno, 0);
    }
    run.setWord(worker, Word.order, order);
    signalEventFd(wakeFd);
  }

  /** A Worker that is blocked in a call never ends; terminate() is only called on one that has ended or crashed. */
  #end(end: StreamEnd, onEnd: (end: StreamEnd) => void): void {
    if (this.#ended) return;
    this.#ended = true;
    const { run, worker } = this.plan;
    const rawFd = run.word(worker, Word.rawFd);
    if (rawFd >= 0) closeFd(rawFd);
    run.setWord(worker, Word.rawFd, -1);
    Atomics.compareExchange(run.words, outputLockIndex, worker + 1, 0);
    for (const fd of this.#fds) closeFd(fd);
    this.#worker.terminate();
    onEnd(end);
  }
}

/**
 * Makes the pipe as large as requested, or as large as the system allows: pipe-user-pages-soft may not leave
 * room for all.
 */
function growPipe(plan: StreamPlan, fd: number): number {
  const wanted = Math.max(plan.pipeSizeBytes, plan.subBufferBytes);
  for (let bytes = wanted; bytes > pipeSize(fd) && setPipeSize(fd, bytes) < 0;) bytes /= 2;
  const size = pipeSize(fd);
  if (size < wanted)
    log.warn(`CPU ${plan.cpu}: pipe of ${size / 1024} KiB, the system allows no larger one (pipe-user-pages-soft)`);
  return size;
}
