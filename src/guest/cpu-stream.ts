/** The control plane's handle of one CPU's stream: its fds, its Worker, and what became of it. */
import { SystemError } from "../../ffi/errno.ts";
import { makeEventFd, signalEventFd } from "../../ffi/eventfd.ts";
import { closeFd, O } from "../../ffi/fd.ts";
import { makePipe, pipeSize, setPipeSize } from "../../ffi/pipe.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";
import type { CpuWorkerEnd, CpuWorkerJob } from "./cpu-worker.ts";
import type { OutputKind } from "./output-kind.ts";
import { type Order, outputLockIndex, type RunState, Word, WorkerState } from "./run-state.ts";

export type Output = { fd: number; kind: OutputKind; shared: boolean };

export type StreamPlan = {
  run: RunState;
  worker: number;
  cpu: number;
  tracingDirectory: string;
  subBufferBytes: number;
  pipeSizeBytes: number;
  doneFd: number;
};

/** How a worker ended: "crash" is an exception in our own code or a thread that went away. */
export type StreamEnd = { part: CpuWorkerEnd["part"] | "crash"; errno: number; reason: string };

export class CpuStream {
  readonly plan: StreamPlan;
  readonly output: Output;
  readonly #fds: number[];
  readonly #wakeFd: number;
  readonly #worker: Worker;
  #ended = false;

  /** Starts the worker, which is armed when its state says so. `onEnd` is called once, whatever the reason. */
  constructor(plan: StreamPlan, output: Output, order: Order, onEnd: (end: StreamEnd) => void) {
    this.plan = plan;
    this.output = output;
    this.#wakeFd = makeEventFd();
    const pipe = makePipe(O.NONBLOCK);
    this.#fds = [this.#wakeFd, pipe.read, pipe.write];
    if (!output.shared) this.#fds.push(output.fd);
    const pipeBytes = growPipe(plan, pipe.write);
    const takeBytes = output.kind === "virtio" ? Math.min(limits.virtioTakeBytes, pipeBytes) : pipeBytes;
    plan.run.setWord(plan.worker, Word.state, WorkerState.absent);
    plan.run.setWord(plan.worker, Word.order, order);
    this.#worker = new Worker(new URL("./cpu-worker.ts", import.meta.url), { smol: true });
    this.#worker.onmessage = (message: MessageEvent<CpuWorkerEnd>) => {
      const { part, errno } = message.data;
      this.#end({ part, errno, reason: errno === 0 ? "" : new SystemError(part, `cpu${plan.cpu}`, errno).message }, onEnd);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      // The message is a listing of the source; its last line of words tells what happened.
      const reason = event.message.split("\n").findLast((line) => /^\w*error:/i.test(line)) ?? event.message;
      this.#end({ part: "crash", errno: 0, reason }, onEnd);
    };
    this.#worker.addEventListener("close", () => this.#end({ part: "crash", errno: 0, reason: "its thread ended" }, onEnd));
    const settings = {
      worker: plan.worker,
      cpu: plan.cpu,
      tracingDirectory: plan.tracingDirectory,
      subBufferBytes: plan.subBufferBytes,
      takeBytes: Math.max(Math.floor(takeBytes / plan.subBufferBytes), 1) * plan.subBufferBytes,
      wakeFd: this.#wakeFd,
      doneFd: plan.doneFd,
      pipeRead: pipe.read,
      pipeWrite: pipe.write,
      outputFd: output.fd,
      outputKind: output.kind,
      outputShared: output.shared,
    };
    this.#worker.postMessage({ memory: plan.run.memory, settings } satisfies CpuWorkerJob);
  }

  get state(): number {
    return this.plan.run.word(this.plan.worker, Word.state);
  }

  order(order: Order): void {
    if (this.#ended) return;
    this.plan.run.setWord(this.plan.worker, Word.order, order);
    signalEventFd(this.#wakeFd);
  }

  /** A Worker that is blocked in a call never ends; terminate() is only asked of one that has ended or crashed. */
  #end(end: StreamEnd, onEnd: (end: StreamEnd) => void): void {
    if (this.#ended) return;
    this.#ended = true;
    const { run, worker } = this.plan;
    const rawFd = run.word(worker, Word.rawFd);
    if (rawFd >= 0) closeFd(rawFd);
    run.setWord(worker, Word.rawFd, -1);
    run.setWord(worker, Word.hostAbsent, 0);
    Atomics.compareExchange(run.words, outputLockIndex, worker + 1, 0);
    for (const fd of this.#fds) closeFd(fd);
    this.#worker.terminate();
    onEnd(end);
  }
}

/** The pipe as large as was asked for, or as the system lets it be: pipe-user-pages-soft may not leave room for all. */
function growPipe(plan: StreamPlan, fd: number): number {
  const wanted = Math.max(plan.pipeSizeBytes, plan.subBufferBytes);
  for (let bytes = wanted; bytes > pipeSize(fd) && setPipeSize(fd, bytes) < 0; ) bytes /= 2;
  const size = pipeSize(fd);
  if (size < wanted) log.warn(`CPU ${plan.cpu}: pipe of ${size / 1024} KiB, the system allows no larger one (pipe-user-pages-soft)`);
  return size;
}
