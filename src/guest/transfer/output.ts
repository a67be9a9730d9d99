/**
 * Sends the pipe's content into the output: the second half of the splice loop. Meaning of an errno: errno-
 * triage.ts.
 */
import { E } from "../../../ffi/errno.ts";
import { readInto, writeFrom } from "../../../ffi/fd.ts";
import { SPLICE, splice } from "../../../ffi/splice.ts";
import { assert } from "../../base/errors.ts";
import { guestLimits } from "../limits.ts";
import { sendVerdict, Verdict } from "./errno-triage.ts";
import { Counter, Order, outputLockIndex } from "./run-state.ts";
import { add, currentOrder, type Stream } from "./stream.ts";
import { waitAfterDenial, waitForPort } from "./stream-wait.ts";

/**
 * Sends as much of the pipe as the output takes now. Returns the bytes that left the pipe, -EAGAIN when it takes
 * nothing, or -errno. A common output is locked from the first to the last byte of a sub-buffer.
 */
export function sendQueued(stream: Stream): number {
  if (!stream.outputShared) return send(stream);
  if (stream.sentOfSubBuffer === 0 && !lockOutput(stream)) return -E.EAGAIN;
  const sent = send(stream);
  if (stream.sentOfSubBuffer === 0) unlockOutput(stream);
  return sent;
}

function send(stream: Stream): number {
  if (stream.copies) return copyOne(stream);
  const sent = splice(stream.pipeRead, stream.outputFd, stream.queued, SPLICE.NONBLOCK);
  if (sent > 0) return sentSome(stream, sent);
  if (sent === 0) return stream.settings.outputTraits.mayDrop ? lostInDriver(stream) : -E.EIO;
  if (sent === -E.EINVAL && stream.settings.outputTraits.mayRefuseSplice) {
    stream.copies = true;
    return copyOne(stream);
  }
  return sent;
}

/**
 * The driver has emptied the pipe and could not queue the pages (virtio_console.c): they are lost. The rest of a
 * sub-buffer that was sent in part is sent as zeros, so that later data begins at a sub-buffer boundary.
 */
function lostInDriver(stream: Stream): number {
  const lost = stream.queued;
  stream.pieceLost = true;
  add(stream, Counter.lostBytes, lost + stream.heldTo - stream.heldFrom);
  stream.queued = 0;
  stream.heldFrom = 0;
  stream.heldTo = stream.sentOfSubBuffer === 0 ? 0 : stream.subBufferBytes - stream.sentOfSubBuffer;
  stream.partial.fill(0, 0, stream.heldTo);
  return lost;
}

function sentSome(stream: Stream, sent: number): number {
  add(stream, Counter.bytes, sent);
  stream.queue?.add(sent);
  stream.queued -= sent;
  stream.deniedSince = 0;
  stream.sentOfSubBuffer = (stream.sentOfSubBuffer + sent) % stream.subBufferBytes;
  return sent;
}

/**
 * One sub-buffer by read and write. Data that was read is no longer in a pipe, so it is written here to its end,
 * whatever must be waited for; only a failure or the end of the program loses the rest.
 */
function copyOne(stream: Stream): number {
  const count = readInto(stream.pipeRead, stream.partial, Math.min(stream.queued, stream.subBufferBytes));
  assert(count > 0, `the pipe holds what was put into it: ${stream.queued} bytes, read ${count}`);
  let written = 0;
  while (written < count) {
    const result = writeFrom(stream.outputFd, stream.partial, written, count - written);
    if (result > 0) {
      written += result;
      continue;
    }
    const verdict = result === 0 ? Verdict.failed : sendVerdict(-result);
    if (verdict === Verdict.failed || currentOrder(stream) === Order.exit) {
      sentSome(stream, written);
      stream.queued -= count - written;
      add(stream, Counter.lostBytes, count - written);
      return verdict === Verdict.failed ? result || -E.EIO : count;
    }
    if (verdict === Verdict.notReady) waitForPort(stream);
    else if (verdict === Verdict.denied) waitAfterDenial(stream);
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
    Atomics.wait(stream.words, outputLockIndex, holder, guestLimits.outputLockWaitMs);
  }
}

function unlockOutput(stream: Stream): void {
  Atomics.store(stream.words, outputLockIndex, 0);
  Atomics.notify(stream.words, outputLockIndex, 1);
}
