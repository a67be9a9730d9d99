/**
 * Divides a stream at a time. What its CPU had written before the recording began is removed: it was already in the ring buffer, and
 * is followed by a gap that nobody counted.
 */
import { EventCounter } from "../../ring-buffer/event-count.ts";
import { SubBufferCursor, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { traceDatLimits } from "../limits.ts";
import type { RecordedStream } from "../write/recording.ts";
import { StreamFile } from "../write/stream-file.ts";

/** Of a commit (ring-buffer/sub-buffer.ts). */
const lengthMask = 0x07ff_ffff;

export type Cut = {
  stream: RecordedStream;
  /** Number of removed events. */
  events: number;
};

/** `begin`: the time stamp at which the recording begins. `stream` is whole sub-buffers. */
export function withoutPast(stream: RecordedStream, layout: SubBufferLayout, begin: bigint): Cut {
  const { sizeBytes } = layout;
  const count = Math.floor(stream.bytes / sizeBytes);
  if (count === 0) return { stream, events: 0 };
  const file = new StreamFile(stream);
  try {
    const read = (index: number, bytes: number): Uint8Array => bytesAt(file, index * sizeBytes, bytes);
    const timeOf = (index: number): bigint => viewOf(read(index, 8)).getBigUint64(0, layout.littleEndian);
    const before = begunBefore(count, begin, timeOf);
    if (before === 0) return { stream, events: 0 };
    const last = cutSubBuffer(read(before - 1, sizeBytes), layout, begin);
    const gone = last.kept === undefined ? before : before - 1;
    const skipped = gone * sizeBytes;
    return {
      stream: {
        ...stream,
        skipBytes: stream.skipBytes + skipped,
        bytes: stream.bytes - skipped,
        first: last.kept,
      },
      events: countEvents(read, before - 1, layout) + last.events,
    };
  } finally {
    file.close();
  }
}

/** What `withoutPast` removes: all events before `end`. The loss that a sub-buffer tells of was before its first event. */
export function beforeTime(stream: RecordedStream, layout: SubBufferLayout, end: bigint): RecordedStream {
  const { sizeBytes } = layout;
  const count = Math.floor(stream.bytes / sizeBytes);
  if (count === 0) return stream;
  const file = new StreamFile(stream);
  try {
    const timeOf = (index: number): bigint =>
      viewOf(bytesAt(file, index * sizeBytes, 8)).getBigUint64(0, layout.littleEndian);
    const begun = begunBefore(count, end, timeOf);
    if (begun === 0) return { ...stream, bytes: 0 };
    const cut = endSubBuffer(bytesAt(file, (begun - 1) * sizeBytes, sizeBytes), layout, end);
    if (cut === "whole" && begun === count) return stream;
    const bytes = (cut === "none" ? begun - 1 : begun) * sizeBytes;
    return { ...stream, bytes, last: typeof cut === "string" ? undefined : cut };
  } finally {
    file.close();
  }
}

/** How many sub-buffers begin before a time: all but the last of them are entirely before. */
function begunBefore(count: number, time: bigint, timeOf: (index: number) => bigint): number {
  let [before, after] = [0, count];
  while (before < after) {
    const middle = (before + after) >> 1;
    if (timeOf(middle) < time) before = middle + 1;
    else after = middle;
  }
  return before;
}

/**
 * How long before `begin` the stream's first event was, in units of its time stamps; 0 when it was not. The stamp of its
 * sub-buffer may be much older: where one was read in part, the rest of it has the time of the last event that was read.
 */
export function reachOfPast(stream: RecordedStream, layout: SubBufferLayout, begin: bigint): bigint {
  if (stream.bytes < layout.sizeBytes) return 0n;
  const file = new StreamFile(stream);
  try {
    const view = viewOf(bytesAt(file, 0, layout.sizeBytes));
    const stamp = view.getBigUint64(0, layout.littleEndian);
    const cursor = new SubBufferCursor(layout, stamp);
    cursor.reset(view, 0);
    const first = cursor.next() ? stamp + BigInt(Math.round(cursor.timestamp)) : stamp;
    return first < begin ? begin - first : 0n;
  } finally {
    file.close();
  }
}

/** Whether the stream's last event, and so all of it, was before `begin`. */
export function endsBefore(stream: RecordedStream, layout: SubBufferLayout, begin: bigint): boolean {
  const { sizeBytes } = layout;
  if (stream.bytes < sizeBytes) return true;
  const file = new StreamFile(stream);
  try {
    const view = viewOf(bytesAt(file, stream.bytes - sizeBytes, sizeBytes));
    const stamp = view.getBigUint64(0, layout.littleEndian);
    if (stamp >= begin) return false;
    const cursor = new SubBufferCursor(layout, stamp);
    cursor.reset(view, 0);
    while (cursor.next());
    return cursor.timestamp < Number(begin - stamp);
  } finally {
    file.close();
  }
}

function bytesAt(file: StreamFile, position: number, bytes: number): Uint8Array {
  const buffer = new Uint8Array(new ArrayBuffer(bytes));
  file.readAt(buffer, position);
  return buffer;
}

/** `kept`: the sub-buffer from the first remaining event on; undefined if there is none. `events`: the removed ones. */
function cutSubBuffer(
  bytes: Uint8Array,
  layout: SubBufferLayout,
  begin: bigint,
): { kept: Uint8Array | undefined; events: number } {
  const { headerBytes, littleEndian, longBytes } = layout;
  const view = viewOf(bytes);
  const stamp = view.getBigUint64(0, littleEndian);
  const cursor = new SubBufferCursor(layout, stamp);
  cursor.reset(view, 0);
  const end = headerBytes + cursor.remainingBytes;
  const beginAfter = Number(begin - stamp);
  let events = 0;
  while (cursor.next()) {
    if (cursor.timestamp < beginAfter) {
      events++;
      continue;
    }
    if (events === 0) return { kept: bytes, events };
    // The first remaining event gets a header without a delta and with an explicit length. There is room: an event of
    // at least as many bytes was removed.
    const kept = new Uint8Array(new ArrayBuffer(bytes.length));
    const out = viewOf(kept);
    const { dataOffset, dataBytes, remainingBytes } = cursor;
    const paddedBytes = (dataBytes + 3) & ~3;
    out.setBigUint64(0, stamp + BigInt(Math.round(cursor.timestamp)), littleEndian);
    out.setUint32(headerBytes + 4, dataBytes + 4, littleEndian);
    kept.set(bytes.subarray(dataOffset, dataOffset + paddedBytes), headerBytes + 8);
    kept.set(bytes.subarray(end - remainingBytes, end), headerBytes + 8 + paddedBytes);
    // Without the flags of a loss: the loss was before the recording.
    out.setUint32(8 + (littleEndian || longBytes === 4 ? 0 : 4), 8 + paddedBytes + remainingBytes, littleEndian);
    return { kept, events };
  }
  return { kept: undefined, events };
}

/** The sub-buffer up to its first event from `end` on. */
function endSubBuffer(bytes: Uint8Array, layout: SubBufferLayout, end: bigint): Uint8Array | "whole" | "none" {
  const { headerBytes, littleEndian, longBytes } = layout;
  const view = viewOf(bytes);
  const stamp = view.getBigUint64(0, littleEndian);
  const cursor = new SubBufferCursor(layout, stamp);
  cursor.reset(view, 0);
  const until = Number(end - stamp);
  const all = headerBytes + cursor.remainingBytes;
  let position = headerBytes;
  for (; cursor.next() && cursor.timestamp < until; position = cursor.position);
  if (cursor.remainingBytes === 0 && cursor.timestamp < until) return "whole";
  if (position === headerBytes) return "none";
  const kept = new Uint8Array(new ArrayBuffer(bytes.length));
  kept.set(bytes.subarray(0, position));
  const out = viewOf(kept);
  const commitAt = 8 + (littleEndian || longBytes === 4 ? 0 : 4);
  const flags = view.getUint32(commitAt, littleEndian) & ~lengthMask;
  out.setUint32(commitAt, (flags | (position - headerBytes)) >>> 0, littleEndian);
  // The count of events that were lost before it stands behind the data.
  if (all + longBytes <= bytes.length) kept.set(bytes.subarray(all, all + longBytes), position);
  return kept;
}

function countEvents(
  read: (index: number, bytes: number) => Uint8Array,
  count: number,
  layout: SubBufferLayout,
): number {
  const tally = { events: 0, lostEvents: 0, unknownLosses: 0, damaged: 0 };
  const counter = new EventCounter(layout);
  const step = Math.max(1, Math.floor(traceDatLimits.copyBytes / layout.sizeBytes));
  for (let index = 0; index < count; index += step)
    counter.add(read(index, Math.min(step, count - index) * layout.sizeBytes), tally);
  return tally.events;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
