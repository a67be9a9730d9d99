/** Places in a stream by the time at which sub-buffers begin: they follow each other in time. */
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { RecordedStream } from "../../trace-dat/write/recording.ts";
import { StreamFile } from "../../trace-dat/write/stream-file.ts";

/** By CPU, a place in its stream. */
export type Positions = ReadonlyMap<number, number>;

const stampBytes = 8;

/** Where the first sub-buffer lies that begins after `time`; the end of the stream where there is none. */
export function firstAfter(stream: RecordedStream, layout: SubBufferLayout, time: bigint): number {
  const count = Math.floor(stream.bytes / layout.sizeBytes);
  const found = withTimes(stream, layout, (timeOf) => {
    if (count === 0 || timeOf(count - 1) <= time) return count;
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
  });
  return stream.skipBytes + found * layout.sizeBytes;
}

/** When the last sub-buffer begins; undefined where there is none. */
export function lastTime(stream: RecordedStream, layout: SubBufferLayout): bigint | undefined {
  const count = Math.floor(stream.bytes / layout.sizeBytes);
  return count === 0 ? undefined : withTimes(stream, layout, (timeOf) => timeOf(count - 1));
}

function withTimes<R>(
  stream: RecordedStream,
  layout: SubBufferLayout,
  use: (timeOf: (index: number) => bigint) => R,
): R {
  const file = new StreamFile(stream);
  const stamp = new Uint8Array(new ArrayBuffer(stampBytes));
  const view = new DataView(stamp.buffer);
  try {
    return use((index) => {
      file.readAt(stamp, index * layout.sizeBytes);
      return view.getBigUint64(0, layout.littleEndian);
    });
  } finally {
    file.close();
  }
}
