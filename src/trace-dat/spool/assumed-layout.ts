/**
 * Checks the assumed sub-buffer layout where the guest reported none (the kernel's agent): streams with another
 * size, or of a 32-bit kernel, would make a file full of garbage.
 */
import { SubBufferCursor, layoutOf, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { traceDatLimits } from "../limits.ts";
import { chunkSize, readStream } from "../write/stream-file.ts";
import type { RecordedStream } from "../write/recording.ts";

/** Number of sub-buffers that are checked, and how many of a valid stream may be damaged. */
const misfitsMostShare = 1 / 4;
/** Page sizes of Linux, which are sub-buffers' sizes unless somebody changed them. */
const sizes = [4096, 8192, 16_384, 32_768, 65_536];

/** What the streams seem to be instead; undefined if the layout fits. */
export function layoutMismatch(streams: readonly RecordedStream[], layout: SubBufferLayout): string | undefined {
  if ((misfits(streams, layout) ?? 0) <= misfitsMostShare) return undefined;
  for (const size of sizes) {
    for (const longBytes of [8, 4] as const) {
      const fitting = layoutOf(size, longBytes);
      if (misfits(streams, fitting) === 0) return `they look like ${size} bytes of a kernel of ${longBytes * 8} bits`;
    }
  }
  return "they fit no other size of a page either";
}

/** The fraction of sub-buffers, at the beginning of each stream, that do not fit this layout. */
function misfits(streams: readonly RecordedStream[], layout: SubBufferLayout): number | undefined {
  let [all, bad] = [0, 0];
  for (const stream of streams) {
    const bytes = Math.min(stream.bytes, chunkSize(traceDatLimits.copyBytes, layout.sizeBytes));
    let before = 0n;
    for (const piece of readStream({ ...stream, bytes }, bytes)) {
      const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
      for (let offset = 0; offset + layout.sizeBytes <= piece.length; offset += layout.sizeBytes) {
        const stamp = view.getBigUint64(offset, true);
        all++;
        if (stamp === 0n || stamp < before || !isSubBuffer(view, offset, layout)) bad++;
        else before = stamp;
      }
    }
  }
  return all === 0 ? undefined : bad / all;
}

function isSubBuffer(view: DataView, offset: number, layout: SubBufferLayout): boolean {
  // The upper half of a 64-bit commit; with 32 bits the first event is there.
  if (layout.longBytes === 8 && view.getUint32(offset + 12, true) !== 0) return false;
  const cursor = new SubBufferCursor(layout);
  cursor.reset(view, offset);
  while (cursor.next());
  return cursor.damage === undefined;
}
