/**
 * The sub-buffer that is still being written: read() returns it, padded to its size, and it goes into the pipe
 * as bytes.
 */
import { E } from "../../../ffi/errno.ts";
import { readInto, writeFrom } from "../../../ffi/fd.ts";
import { Counter } from "./run-state.ts";
import { add, type Stream } from "./stream.ts";

/**
 * Reads one sub-buffer and writes it into the empty pipe as far as it fits. Bytes read, -EAGAIN for none, or
 * -errno.
 */
export function readPartial(stream: Stream): number {
  let count = readInto(stream.rawFd, stream.partial);
  if (count <= 0) return count === 0 ? -E.EAGAIN : count;
  if (count !== stream.subBufferBytes && stream.iterationsLeft === 0) {
    // The size was changed. The kernel keeps the rest of a much larger one for the next read; a splice would skip it.
    stream.learnSubBufferSize();
    count = readRest(stream, count);
  }
  stream.heldFrom = 0;
  stream.heldTo = count;
  stream.spuriousWakeUp = false;
  stream.reopened = false;
  stream.deniedSince = 0;
  add(stream, Counter.subBuffers, 1);
  // A failure here is seen when the loop tries again: the bytes are kept.
  fillPipe(stream);
  return count;
}

/**
 * Whether the writer has probably left this sub-buffer already: another may follow it. `commit`, the second word of
 * its header, holds the data size in its low bits (events/header_page).
 */
export function isFull({ partial, subBufferBytes }: Stream): boolean {
  const commit = (partial[8] ?? 0) | ((partial[9] ?? 0) << 8) | (((partial[10] ?? 0) & 0x0f) << 16);
  return commit > subBufferBytes / 2;
}

/** It is in memory that the kernel has filled: the read cannot fail. */
function readRest(stream: Stream, from: number): number {
  let count = from;
  while (count < stream.subBufferBytes) {
    const more = readInto(stream.rawFd, stream.partial, stream.subBufferBytes - count, count);
    if (more <= 0) break;
    count += more;
  }
  return count;
}

/** Writes the partial sub-buffer into the empty pipe as far as it fits. Bytes, or -errno: then it is kept. */
export function fillPipe(stream: Stream): number {
  const written = writeFrom(stream.pipeWrite, stream.partial, stream.heldFrom, stream.heldTo - stream.heldFrom);
  if (written <= 0) return written;
  stream.queued = written;
  stream.heldFrom += written;
  if (stream.heldFrom === stream.heldTo) stream.heldFrom = stream.heldTo = 0;
  return written;
}
