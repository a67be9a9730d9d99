/** Sending what the pipe holds into the output: the second half of the splice loop. */
import { E } from "../../ffi/errno.ts";
import { readInto, writeFrom } from "../../ffi/fd.ts";
import { SPLICE, splice } from "../../ffi/splice.ts";
import { limits } from "../limits.ts";
import { Counter, Order, outputLockIndex } from "./run-state.ts";
import { add, currentOrder, type Stream } from "./stream.ts";

/**
 * Sends as much of the pipe as the output takes now. Bytes that left the pipe, -EAGAIN when it takes nothing, or -errno.
 * A common output is locked from the first to the last byte of a sub-buffer.
 */
export function sendQueued(stream: Stream): number {
  if (!stream.outputShared) return send(stream);
  if (stream.sentOfSubBuffer === 0 && !lockOutput(stream)) return -E.EAGAIN;
  const sent = send(stream);
  if (stream.sentOfSubBuffer === 0 || (sent < 0 && sent !== -E.EAGAIN)) unlockOutput(stream);
  return sent;
}

function send(stream: Stream): number {
  if (stream.copies) return copyOne(stream);
  const sent = splice(stream.pipeRead, stream.outputFd, stream.queued, SPLICE.NONBLOCK);
  if (sent > 0) return sentSome(stream, sent);
  if (sent === 0) {
    // The driver has emptied the pipe and could not queue the pages (virtio_console.c): they are gone.
    add(stream, Counter.lostBytes, stream.queued);
    const lost = stream.queued;
    stream.queued = 0;
    stream.sentOfSubBuffer = 0;
    return lost;
  }
  if (sent === -E.EINVAL && stream.settings.outputKind === "file") {
    // A file opened for append takes no splice.
    stream.copies = true;
    return copyOne(stream);
  }
  return sent === -E.EINTR ? -E.EAGAIN : sent;
}

function sentSome(stream: Stream, sent: number): number {
  add(stream, Counter.bytes, sent);
  stream.queued -= sent;
  stream.sentOfSubBuffer = (stream.sentOfSubBuffer + sent) % stream.subBufferBytes;
  return sent;
}

/** One sub-buffer by read and write. The output is a file: it takes a write whole or fails. */
function copyOne(stream: Stream): number {
  const count = readInto(stream.pipeRead, stream.partial, Math.min(stream.queued, stream.subBufferBytes));
  if (count <= 0) return count === 0 ? -E.EIO : count;
  let written = 0;
  while (written < count) {
    const result = writeFrom(stream.outputFd, stream.partial, written, count - written);
    if (result === -E.EINTR) continue;
    if (result <= 0) {
      stream.queued -= count;
      add(stream, Counter.lostBytes, count - written);
      return result === 0 ? -E.EIO : result;
    }
    written += result;
  }
  return sentSome(stream, count);
}

/** False when the program ends meanwhile. Waits in steps, so that an exit order is seen. */
function lockOutput(stream: Stream): boolean {
  const mine = stream.settings.worker + 1;
  for (;;) {
    const holder = Atomics.compareExchange(stream.words, outputLockIndex, 0, mine);
    if (holder === 0 || holder === mine) return true;
    if (currentOrder(stream) === Order.exit) return false;
    Atomics.wait(stream.words, outputLockIndex, holder, limits.outputLockWaitMs);
  }
}

function unlockOutput(stream: Stream): void {
  Atomics.store(stream.words, outputLockIndex, 0);
  Atomics.notify(stream.words, outputLockIndex, 1);
}
