/** From when to when a recording has events: by its first and its last sub-buffers. */
import { SubBufferCursor, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { RecordedStream } from "./recording.ts";
import { StreamFile } from "./stream-file.ts";

/** By the machine's clock: when the first sub-buffer begins, and of the last event. */
export type StreamTimes = { readonly first: bigint; readonly last: bigint };

/** Of each CPU's first and last sub-buffer; undefined where there is none. */
export function timesOf(streams: readonly RecordedStream[], layout: SubBufferLayout): StreamTimes | undefined {
  const times = streams.flatMap((stream) => timesOfStream(stream, layout) ?? []);
  const [one] = times;
  if (one === undefined) return undefined;
  return times.reduce(
    (all, { first, last }) => ({
      first: first < all.first ? first : all.first,
      last: last > all.last ? last : all.last,
    }),
    one,
  );
}

function timesOfStream(stream: RecordedStream, layout: SubBufferLayout): StreamTimes | undefined {
  const count = Math.floor(stream.bytes / layout.sizeBytes);
  if (count === 0) return undefined;
  const bytes = new Uint8Array(new ArrayBuffer(layout.sizeBytes));
  const view = new DataView(bytes.buffer);
  const file = new StreamFile(stream);
  try {
    file.readAt(bytes, 0);
    const first = view.getBigUint64(0, layout.littleEndian);
    file.readAt(bytes, (count - 1) * layout.sizeBytes);
    const begin = view.getBigUint64(0, layout.littleEndian);
    const cursor = new SubBufferCursor(layout, begin);
    cursor.reset(view, 0);
    let latest = 0;
    while (cursor.next()) latest = Math.max(latest, cursor.timestamp);
    return { first, last: begin + BigInt(latest) };
  } finally {
    file.close();
  }
}
