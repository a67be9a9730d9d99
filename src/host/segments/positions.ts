/** Places in a stream by the time at which sub-buffers begin: they follow each other in time. */
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { RecordedStream } from "../../trace-dat/write/recording.ts";
import { StreamFile } from "../../trace-dat/write/stream-file.ts";

/** By CPU, a place in its stream. */
export type Positions = ReadonlyMap<number, number>;

const stampBytes = 8;
const stamp = new Uint8Array(new ArrayBuffer(stampBytes));
const view = new DataView(stamp.buffer);

/** Looks into the streams of one machine. */
export class Places {
  /** By CPU, the place that was looked for last, and when the sub-buffer before it begins. */
  readonly #found = new Map<number, { at: number; stamp: bigint }>();

  /** Where the first sub-buffer lies that begins after `time`; the end of the stream where there is none. */
  firstAfter(stream: RecordedStream, layout: SubBufferLayout, time: bigint): number {
    const count = Math.floor(stream.bytes / layout.sizeBytes);
    if (count === 0) return stream.skipBytes;
    return withTimes(stream, layout, (timeOf) => {
      const found = firstAfter(count, timeOf, time);
      const at = stream.skipBytes + found * layout.sizeBytes;
      // It is asked for next: to open the file once more costs more.
      if (found > 0) this.#found.set(stream.cpu, { at, stamp: timeOf(found - 1) });
      return at;
    });
  }

  /** When the last sub-buffer begins; undefined where there is none. */
  lastTime(stream: RecordedStream, layout: SubBufferLayout): bigint | undefined {
    const count = Math.floor(stream.bytes / layout.sizeBytes);
    if (count === 0) return undefined;
    const known = this.#found.get(stream.cpu);
    if (known?.at === stream.skipBytes + count * layout.sizeBytes) return known.stamp;
    return withTimes(stream, layout, (timeOf) => timeOf(count - 1));
  }
}

function firstAfter(count: number, timeOf: (index: number) => bigint, time: bigint): number {
  if (timeOf(count - 1) <= time) return count;
  let [low, high] = [0, count - 1];
  // Most often it is among the last.
  for (let step = 2; step < count && timeOf(count - step) > time; step *= 2) high = count - step;
  low = Math.max(0, count - 2 * (count - high));
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timeOf(middle) > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

function withTimes<R>(
  stream: RecordedStream,
  layout: SubBufferLayout,
  use: (timeOf: (index: number) => bigint) => R,
): R {
  const file = new StreamFile(stream);
  try {
    return use((index) => {
      file.readFew(stamp, index * layout.sizeBytes);
      return view.getBigUint64(0, layout.littleEndian);
    });
  } finally {
    file.close();
  }
}
