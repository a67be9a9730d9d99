/**
 * The path of the data, for one CPU: ring buffer -> pipe -> port.
 *
 * Nothing here allocates, logs or takes a message. Every call is non-blocking; only poll waits, with the worker's
 * eventfd in the set. A read begins when the pipe is empty, and a send always offers all that the pipe holds:
 * virtio_console builds its scatter list from the whole pipe, and part of it would hand garbage pages to the
 * device. errno-triage.ts defines what an errno means.
 */
import { E } from "../../../ffi/errno.ts";
import { signalEventFd } from "../../../ffi/eventfd.ts";
import { SPLICE, splice } from "../../../ffi/splice.ts";
import { guestLimits } from "../limits.ts";
import { fillVerdict, sendVerdict, readVerdict, Verdict } from "./errno-triage.ts";
import { sendQueued } from "./output.ts";
import { fillPipe, isFull, readPartial } from "./partial-sub-buffer.ts";
import { Counter, Order, WorkerState } from "./run-state.ts";
import { waitAfterDenial, waitForData, waitForPort } from "./stream-wait.ts";
import { add, currentOrder, type Stream, nextSpliceBytes, setState, takePartialDue, wantPartial } from "./stream.ts";

/** Why the loop ended. */
export const Outcome = {
  /** A stop order was carried out: all data that belongs to the host has gone into the port. */
  stopped: 0,
  /** The program ends. */
  exit: 1,
  /** The ring buffer or the port failed: `stream.failure` is the errno. */
  ringBufferFailed: 2,
  portFailed: 3,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Moves sub-buffers until a stop or exit order, or a failure. */
export function moveStream(stream: Stream): Outcome {
  // Data that may still come after a stop order: no more than the ring buffer held then. Infinite while running.
  let budget = Infinity;
  for (;;) {
    if (stream.iterationsLeft > 0 && --stream.iterationsLeft === 0) return Outcome.stopped;
    const order = currentOrder(stream);
    if (order === Order.exit) return Outcome.exit;
    if (order === Order.running && budget !== Infinity) {
      // The caller opens it again, and what the pipe holds goes first then.
      if (stream.rawFd < 0) return Outcome.stopped;
      budget = Infinity;
      setState(stream, WorkerState.running);
      signalEventFd(stream.settings.doneFd);
    } else if (order === Order.armed && budget === Infinity) {
      budget = stream.ringBufferBytes() + stream.subBufferBytes;
      stream.deniedSince = 0;
      setState(stream, WorkerState.flushing);
    } else if (order === Order.noMoreReads && stream.rawFd >= 0) {
      budget = 0;
      stream.closeRingBuffer();
      setState(stream, WorkerState.emptyingPipe);
      signalEventFd(stream.settings.doneFd);
    }

    if (stream.queued > 0) {
      const sent = sendQueued(stream);
      if (sent > 0 && (stream.queued === 0 || stream.copies)) continue;
      // A short send means that the port is full, as EAGAIN does: a second try would only return EAGAIN.
      const verdict = sent > 0 ? Verdict.notReady : sendVerdict(-sent);
      if (verdict === Verdict.notReady) {
        add(stream, Counter.backpressure, 1);
        waitForPort(stream);
      } else if (!tryAgain(stream, verdict, budget)) {
        return fail(stream, Outcome.portFailed, sent);
      }
      continue;
    }
    if (stream.heldTo > 0) {
      // The rest of a sub-buffer that is larger than the pipe: nothing else may come in between.
      const filled = fillPipe(stream);
      if (filled <= 0 && !tryAgain(stream, fillVerdict(-filled), budget)) {
        return fail(stream, Outcome.ringBufferFailed, filled);
      }
      continue;
    }
    if (budget <= 0) return Outcome.stopped;

    const spliced = stream.readsOnly || (stream.drained && budget === Infinity) ? -E.EAGAIN : readWhole(stream);
    if (spliced > 0) {
      budget -= spliced;
      continue;
    }
    const verdict = readVerdict(-spliced);
    if (verdict !== Verdict.notReady) {
      if (!tryAgain(stream, verdict, budget)) return fail(stream, Outcome.ringBufferFailed, spliced);
      continue;
    }
    // No whole sub-buffer. The partial one is sent when a stop order asks for everything, or when the periodic check says
    // so. In the mode that reads everything, a wake-up for a filling ring buffer is reason enough.
    if (budget === Infinity && !(stream.readsOnly && stream.spuriousWakeUp) && !takePartialDue(stream)) {
      waitForData(stream);
      continue;
    }
    const read = readPartial(stream);
    if (read > 0) {
      if (budget !== Infinity) budget = stream.readsOnly ? budget - read : 0;
      else if (stream.readsOnly && isFull(stream)) wantPartial(stream);
      continue;
    }
    const partialVerdict = readVerdict(-read);
    if (partialVerdict === Verdict.notReady) {
      if (budget !== Infinity) return Outcome.stopped;
      waitForData(stream);
    } else if (!tryAgain(stream, partialVerdict, budget)) {
      return fail(stream, Outcome.ringBufferFailed, read);
    } else {
      wantPartial(stream);
    }
  }
}

/** Splices whole sub-buffers into the empty pipe. Bytes, -EAGAIN when there is no whole one, or -errno. */
function readWhole(stream: Stream): number {
  const most = nextSpliceBytes(stream);
  const spliced = splice(stream.rawFd, stream.pipeWrite, most, SPLICE.NONBLOCK);
  if (spliced <= 0) return spliced === 0 ? -E.EAGAIN : spliced;
  stream.drained = spliced < most;
  stream.queued = spliced;
  stream.foundWhole = true;
  stream.spuriousWakeUp = false;
  stream.reopened = false;
  stream.deniedSince = 0;
  add(stream, Counter.subBuffers, spliced / stream.subBufferBytes);
  return spliced;
}

/**
 * Whether the call must be repeated, after a pause where memory was short. Nothing was lost, so a run goes on for
 * as long as it takes; at a stop the host waits, and an incomplete stop must not be reported as done.
 */
function tryAgain(stream: Stream, verdict: Verdict, budget: number): boolean {
  if (verdict === Verdict.retry) return true;
  if (verdict === Verdict.failed) return false;
  const now = performance.now();
  if (stream.deniedSince === 0) stream.deniedSince = now;
  if (budget !== Infinity && now - stream.deniedSince > guestLimits.stopDeniedMs) return false;
  waitAfterDenial(stream);
  return true;
}

/** Accounts for what the pipe and the partial sub-buffer still hold when the transfer ends. */
function fail(stream: Stream, outcome: Outcome, negativeErrno: number): Outcome {
  stream.failure = -negativeErrno;
  add(stream, Counter.lostBytes, stream.queued + stream.heldTo - stream.heldFrom);
  return outcome;
}
