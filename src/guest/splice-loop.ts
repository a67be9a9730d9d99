/**
 * The way of the data, for one CPU: ring buffer -> pipe -> port.
 *
 * Nothing here allocates, logs or takes a message. Every call is non-blocking; waiting is done in poll only, with the
 * worker's eventfd in the set. A new take begins when the pipe is empty, and a send always offers all that the pipe holds:
 * virtio_console builds its scatter list from the whole pipe, and part of it would hand garbage pages to the device.
 */
import { E } from "../../ffi/errno.ts";
import { signalEventFd } from "../../ffi/eventfd.ts";
import { readInto, writeFrom } from "../../ffi/fd.ts";
import { SPLICE, splice } from "../../ffi/splice.ts";
import { limits } from "../limits.ts";
import { sendQueued } from "./output.ts";
import { Counter, Order, WorkerState } from "./run-state.ts";
import { waitForData, waitForPort } from "./stream-wait.ts";
import { add, currentOrder, type Stream, setState } from "./stream.ts";

/** Why the loop ended. */
export const Outcome = {
  /** A stop order was carried out: all that belongs to the host has gone into the port. */
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
  // What may still come after a stop order: no more than the ring buffer held then. Endless while running.
  let budget = Infinity;
  for (;;) {
    if (stream.turnsLeft > 0 && --stream.turnsLeft === 0) return Outcome.stopped;
    const order = currentOrder(stream);
    if (order === Order.exit) return Outcome.exit;
    if (order === Order.running && budget !== Infinity) {
      budget = Infinity;
      setState(stream, WorkerState.running);
      signalEventFd(stream.settings.doneFd);
    } else if (order === Order.armed && budget === Infinity) {
      budget = stream.ringBufferBytes() + stream.subBufferBytes;
      setState(stream, WorkerState.flushing);
    }

    if (stream.queued > 0) {
      const sent = sendQueued(stream);
      if (sent > 0 && (stream.queued === 0 || stream.copies)) continue;
      // A short send says that the port is full, as EAGAIN does: a second try would only hear it again.
      if (sent < 0 && sent !== -E.EAGAIN) return fail(stream, Outcome.portFailed, sent);
      add(stream, Counter.backpressure, 1);
      waitForPort(stream);
      continue;
    }
    if (budget <= 0) return Outcome.stopped;

    if (stream.drained && budget === Infinity) {
      waitForData(stream);
      continue;
    }
    const taken = takeWhole(stream);
    if (taken > 0) {
      budget -= taken;
      continue;
    }
    if (taken !== -E.EAGAIN) return fail(stream, Outcome.ringBufferFailed, taken);
    // No whole sub-buffer. The partial one is sent when a stop order asks for all, or when the oldest event in it may
    // have waited long enough: what whole ones were taken in between does not make it younger.
    if (budget !== Infinity) {
      if (takePartial(stream) <= 0) return Outcome.stopped;
      budget = 0;
      continue;
    }
    const now = performance.now();
    if (now >= stream.partialDueAt) {
      stream.partialDueAt = now + limits.idleLookMs;
      if (takePartial(stream) > 0) continue;
    }
    waitForData(stream);
  }
}

/** Splices whole sub-buffers into the pipe, which is empty. Bytes, -EAGAIN when there is no whole one, or -errno. */
function takeWhole(stream: Stream): number {
  const taken = splice(stream.rawFd, stream.pipeWrite, stream.takeBytes, SPLICE.NONBLOCK);
  if (taken > 0) {
    stream.drained = taken < stream.takeBytes;
    return queue(stream, taken);
  }
  // ENOMEM: no page to give the ring buffer in exchange; the data stay there for the next look.
  return taken === 0 || taken === -E.EINTR || taken === -E.ENOMEM ? -E.EAGAIN : taken;
}

/** read() gives what splice() does not: the sub-buffer that is still being written, padded to its size. */
function takePartial(stream: Stream): number {
  const count = readInto(stream.rawFd, stream.partial);
  if (count <= 0) return count;
  stream.subBufferBytes = count;
  const written = writeFrom(stream.pipeWrite, stream.partial, 0, count);
  add(stream, Counter.flushes, 1);
  if (written < count) add(stream, Counter.lostBytes, count - Math.max(written, 0));
  return written <= 0 ? 0 : queue(stream, written);
}

function queue(stream: Stream, bytes: number): number {
  stream.queued = bytes;
  stream.foundBytes += bytes;
  stream.wokenInVain = false;
  stream.reopened = false;
  add(stream, Counter.subBuffers, bytes / stream.subBufferBytes);
  return bytes;
}

/** What the pipe still holds goes with it. */
function fail(stream: Stream, outcome: Outcome, negativeErrno: number): Outcome {
  stream.failure = -negativeErrno;
  add(stream, Counter.lostBytes, stream.queued);
  return outcome;
}
