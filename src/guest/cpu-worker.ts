/**
 * The worker of one CPU, pinned to it: waits armed for the order word, moves the stream while it says so, and tells main
 * through the done eventfd when its state changed. It leaves only to end, or when something failed.
 */
import { pinThread } from "../../ffi/affinity.ts";
import { E, SystemError } from "../../ffi/errno.ts";
import { clearEventFd, signalEventFd } from "../../ffi/eventfd.ts";
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { POLL, PollSet } from "../../ffi/poll.ts";
import { limits } from "../limits.ts";
import { rehearse } from "./rehearsal.ts";
import { Order, RunState, Word, WorkerState } from "./run-state.ts";
import { moveStream, Outcome } from "./splice-loop.ts";
import { currentOrder, setState, Stream, type StreamSettings } from "./stream.ts";

declare const self: Worker;

export type CpuWorkerJob = { memory: SharedArrayBuffer; settings: StreamSettings };

/** What the worker says when it ends. `errno` 0: it was told to. */
export type CpuWorkerEnd = { kind: "end"; part: "ring buffer" | "port" | "pin" | "none"; errno: number };

self.onmessage = (message: MessageEvent<CpuWorkerJob>): void => {
  const { memory, settings } = message.data;
  const run = new RunState(memory);
  const end = work(settings, run);
  run.setWord(settings.worker, Word.state, end.errno === 0 ? WorkerState.absent : WorkerState.failed);
  self.postMessage(end);
  signalEventFd(settings.doneFd);
};

function work(settings: StreamSettings, run: RunState): CpuWorkerEnd {
  try {
    const stream = new Stream(settings, run);
    try {
      return serve(stream, run);
    } finally {
      stream.close();
    }
  } catch (error) {
    if (error instanceof SystemError) return { kind: "end", part: "port", errno: error.errno };
    throw error;
  }
}

function serve(stream: Stream, run: RunState): CpuWorkerEnd {
  const { worker, wakeFd, doneFd } = stream.settings;
  pinThread(stream.settings.cpu);
  const armed = new PollSet(1);
  armed.set(0, wakeFd, POLL.IN);
  let rehearsed = false;
  for (;;) {
    const order = currentOrder(stream);
    if (order === Order.exit) return { kind: "end", part: "none", errno: 0 };
    if (order === Order.running) {
      // Each time anew: a CPU that was offline in between has lost its threads' affinity.
      const pinErrno = pinThread(stream.settings.cpu);
      if (pinErrno !== 0) return { kind: "end", part: "pin", errno: pinErrno };
      const outcome = runOnce(stream, run, worker);
      if (outcome === Outcome.exit) return { kind: "end", part: "none", errno: 0 };
      if (outcome !== Outcome.stopped) {
        return { kind: "end", part: outcome === Outcome.portFailed ? "port" : "ring buffer", errno: stream.failure };
      }
      continue;
    }
    setState(stream, WorkerState.armed);
    signalEventFd(doneFd);
    if (rehearsed) {
      armed.wait(-1);
    } else {
      rehearsed = true;
      if (armed.wait(limits.rehearsalDelayMs) === 0) rehearse(stream.settings, () => currentOrder(stream) !== Order.armed);
    }
    clearEventFd(wakeFd);
  }
}

/** trace_pipe_raw is held only while running: an open one makes the kernel refuse a change of the tracer. */
function runOnce(stream: Stream, run: RunState, worker: number): Outcome {
  const { tracingDirectory, cpu, doneFd } = stream.settings;
  try {
    stream.rawFd = openFd(`${tracingDirectory}/per_cpu/cpu${cpu}/trace_pipe_raw`, O.RDONLY | O.NONBLOCK);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    stream.failure = error.errno;
    return Outcome.ringBufferFailed;
  }
  run.setWord(worker, Word.rawFd, stream.rawFd);
  setState(stream, WorkerState.running);
  signalEventFd(doneFd);
  try {
    const outcome = moveStream(stream);
    // A file position that is no multiple of a changed sub-buffer size is refused: a newly opened file begins at 0.
    const resized = outcome === Outcome.ringBufferFailed && stream.failure === E.EINVAL && !stream.reopened;
    if (!resized) return outcome;
    stream.reopened = true;
  } finally {
    run.setWord(worker, Word.rawFd, -1);
    closeFd(stream.rawFd);
    stream.rawFd = -1;
  }
  return runOnce(stream, run, worker);
}
