/** From when to when a recording has events: by its first and its last sub-buffers. */
import { SubBufferCursor, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { RecordedStream } from "./recording.ts";
import { StreamFile } from "./stream-file.ts";

/** By the machine's clock: when the first sub-buffer begins, and of the last event. */
export type StreamTimes = { readonly first: bigint; readonly last: bigint };

/** Of each CPU's first and last sub-buffer; undefined where there is none. */
export function timesOf(streams: readonly RecordedStream[], layout: SubBufferLayout): StreamTimes | undefined {
  return joinTimes(streams.flatMap((stream) => timesOfStream(stream, layout) ?? []));
}

/** The same of one stream that is read anyway: its pieces, whole sub-buffers, as they come. */
export class TimesSeen {
  readonly #layout: SubBufferLayout;
  /** Where its last whole sub-buffer begins. */
  readonly #lastAt: number;
  #seenBytes = 0;
  #first: bigint | undefined;
  #last: bigint | undefined;

  constructor({ bytes }: RecordedStream, layout: SubBufferLayout) {
    this.#layout = layout;
    this.#lastAt = (Math.floor(bytes / layout.sizeBytes) - 1) * layout.sizeBytes;
  }

  see(piece: Uint8Array): void {
    const { littleEndian, sizeBytes } = this.#layout;
    const at = this.#lastAt - this.#seenBytes;
    const isLast = at >= 0 && at + sizeBytes <= piece.length;
    if (isLast || this.#seenBytes === 0) {
      const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
      if (this.#seenBytes === 0 && this.#lastAt >= 0) this.#first = view.getBigUint64(0, littleEndian);
      if (isLast) this.#last = lastEvent(view, at, this.#layout);
    }
    this.#seenBytes += piece.length;
  }

  get times(): StreamTimes | undefined {
    const [first, last] = [this.#first, this.#last];
    return first === undefined || last === undefined ? undefined : { first, last };
  }
}

/** Undefined where there are none. */
export function joinTimes(times: readonly StreamTimes[]): StreamTimes | undefined {
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
    return { first, last: lastEvent(view, 0, layout) };
  } finally {
    file.close();
  }
}

/** Of the sub-buffer at `offset`; when it begins, where it has none. */
function lastEvent(view: DataView, offset: number, layout: SubBufferLayout): bigint {
  const begin = view.getBigUint64(offset, layout.littleEndian);
  const cursor = new SubBufferCursor(layout, begin);
  cursor.reset(view, offset);
  let latest = 0;
  while (cursor.next()) latest = Math.max(latest, cursor.timestamp);
  return begin + BigInt(latest);
}
