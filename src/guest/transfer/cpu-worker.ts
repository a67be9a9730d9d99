/**
 * The worker of one CPU, pinned to it where that is allowed: waits armed for the order word, moves the stream while
 * running, and signals state changes to main through the done eventfd. It returns only to end, or when something
 * failed.
 */
import { pinThread } from "../../../ffi/affinity.ts";
import { E, SystemError } from "../../../ffi/errno.ts";
import { clearEventFd, signalEventFd } from "../../../ffi/eventfd.ts";
import { O, openFd } from "../../../ffi/fd.ts";
import { POLL, PollSet } from "../../../ffi/poll.ts";
import { readTraceTime } from "../../tracefs/cpu-stats.ts";
import { runWorker, settleWorker } from "../heap-settling.ts";
import { guestLimits } from "../limits.ts";
import { warmUp } from "./jit-warm-up.ts";
import { Order, RunState, Word, WorkerState } from "./run-state.ts";
import { moveStream, Outcome } from "./splice-loop.ts";
import { currentOrder, setState, Stream, type StreamSettings } from "./stream.ts";

declare const self: Worker;

export type CpuWorkerJob = { memory: SharedArrayBuffer; settings: StreamSettings };

/** What the worker reports at its end. `errno` 0: it was ordered to end. */
export type CpuWorkerEnd = { kind: "end"; part: "ring buffer" | "port" | "none"; errno: number };

self.onmessage = (message: MessageEvent<CpuWorkerJob>): void => {
  const { memory, settings } = message.data;
  runWorker(async () => {
    const run = new RunState(memory);
    const end = await work(settings, run);
    run.setWord(settings.worker, Word.state, end.errno === 0 ? WorkerState.absent : WorkerState.failed);
    self.postMessage(end);
    signalEventFd(settings.doneFd);
  });
};

/** A SystemError of the set-up concerns the port (its watch); one of the run concerns the tracing directory. */
async function work(settings: StreamSettings, run: RunState): Promise<CpuWorkerEnd> {
  let stream: Stream | undefined;
  try {
    stream = new Stream(settings, run);
    return await serve(stream, run);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { kind: "end", part: stream === undefined ? "port" : "ring buffer", errno: error.errno };
  } finally {
    stream?.close();
  }
}

async function serve(stream: Stream, run: RunState): Promise<CpuWorkerEnd> {
  const { worker, cpu, wakeFd, doneFd } = stream.settings;
  run.setWord(worker, Word.pinErrno, pinThread(cpu));
  const armed = new PollSet(1);
  armed.set(0, wakeFd, POLL.IN);
  let isNew = true;
  for (;;) {
    const order = currentOrder(stream);
    if (order === Order.exit) return { kind: "end", part: "none", errno: 0 };
    if (order === Order.running) {
      // At each start: a CPU that was offline in between has lost its threads' affinity. Without pinning the data
      // still comes, since any CPU may read any other's ring buffer; main logs why, and knows whether the CPU is
      // offline.
      run.setWord(worker, Word.pinErrno, pinThread(cpu));
      const outcome = runOnce(stream, run, worker);
      if (outcome === Outcome.exit) return { kind: "end", part: "none", errno: 0 };
      if (outcome !== Outcome.stopped) {
        return { kind: "end", part: outcome === Outcome.portFailed ? "port" : "ring buffer", errno: stream.failure };
      }
      continue;
    }
    setState(stream, WorkerState.armed);
    signalEventFd(doneFd);
    if (isNew) await warmUpWhileArmed(stream, run, armed);
    else armed.wait(-1);
    isNew = false;
    clearEventFd(wakeFd);
  }
}

/** Returns when an order comes, or may have come. */
async function warmUpWhileArmed(stream: Stream, run: RunState, armed: PollSet): Promise<void> {
  const isDisturbed = (): boolean => currentOrder(stream) !== Order.armed;
  for (const { afterMs, rounds } of guestLimits.warmUpPasses) {
    if (armed.wait(afterMs) !== 0) return;
    warmUp(stream.settings, rounds, isDisturbed);
    // What a start does in front of the loop; both are done again then.
    stream.learnSubBufferSize();
    noteBeginTime(stream, run);
    if (isDisturbed()) return;
    // What start-up and compilation left behind: 1 MiB.
    await settleWorker();
  }
  armed.wait(-1);
}

/** trace_pipe_raw is open only while running: an open one makes the kernel refuse a change of the tracer. */
function runOnce(stream: Stream, run: RunState, worker: number): Outcome {
  const { doneFd } = stream.settings;
  try {
    stream.rawFd = openFd(stream.rawPath, O.RDONLY | O.NONBLOCK);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    stream.failure = error.errno;
    return Outcome.ringBufferFailed;
  }
  run.setWord(worker, Word.rawFd, stream.rawFd);
  try {
    stream.learnSubBufferSize();
    stream.begin();
    noteBeginTime(stream, run);
    setState(stream, WorkerState.running);
    signalEventFd(doneFd);
    const outcome = moveStream(stream);
    // A file position that is no multiple of a changed sub-buffer size is refused: a newly opened file begins at 0.
    const resized = outcome === Outcome.ringBufferFailed && stream.failure === E.EINVAL && !stream.reopened;
    if (!resized) return outcome;
    stream.reopened = true;
  } finally {
    stream.closeRingBuffer();
  }
  return runOnce(stream, run, worker);
}

/**
 * Earlier events in the ring buffer are the host's to keep or drop. Read here, because some clocks differ from
 * CPU to CPU.
 */
function noteBeginTime({ settings, statsFile }: Stream, run: RunState): void {
  run.setBeginTime(settings.worker, readTraceTime(statsFile) ?? 0n);
}
