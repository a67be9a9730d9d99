/**
 * Counts the events of whole sub-buffers: the result of SubBufferCursor, at a quarter of its cost.
 *
 * The cursor reads the header of each sub-buffer; the events are counted here in one loop over words, without their
 * times. The bytes come from a guest: what does not fit counts as damage, and nothing throws or loops on any bytes.
 */
import { typeLong, typeMask, typePadding, typeTimeExtend } from "./event-header.ts";
import { SubBufferCursor, type SubBufferLayout, unknownLoss } from "./sub-buffer.ts";

export type EventTally = {
  events: number;
  /** Sum of the losses that the kernel counted. */
  lostEvents: number;
  /** Sub-buffers whose header says that events were lost before them, but not how many. */
  unknownLosses: number;
  /** Sub-buffers that cannot be read to their end. */
  damaged: number;
};

export class EventCounter {
  readonly layout: SubBufferLayout;
  readonly #cursor: SubBufferCursor;

  constructor(layout: SubBufferLayout) {
    this.layout = layout;
    this.#cursor = new SubBufferCursor(layout);
  }

  /** Counts `subBuffers`, whole ones one after the other; an incomplete last one is ignored. */
  add(subBuffers: Uint8Array, tally: EventTally): void {
    const { sizeBytes, headerBytes } = this.layout;
    const { buffer, byteOffset, byteLength } = subBuffers;
    const cursor = this.#cursor;
    const view = new DataView(buffer, byteOffset, byteLength);
    const words = this.#inWords(byteOffset) ? new Int32Array(buffer, byteOffset, byteLength >> 2) : undefined;
    for (let offset = 0; offset + sizeBytes <= byteLength; offset += sizeBytes) {
      cursor.reset(view, offset);
      if (cursor.lostEvents === unknownLoss) tally.unknownLosses++;
      else tally.lostEvents += cursor.lostEvents;
      if (words === undefined) {
        while (cursor.next()) tally.events++;
        if (cursor.damage !== undefined) tally.damaged++;
        continue;
      }
      const first = (offset + headerBytes) >> 2;
      const events = countWords(words, first, first + (cursor.remainingBytes >> 2));
      tally.events += events < 0 ? ~events : events;
      if (events < 0 || cursor.damage !== undefined) tally.damaged++;
    }
  }

  /** Every machine that this runs on is little-endian. Sizes that no kernel has are left to the cursor. */
  #inWords(byteOffset: number): boolean {
    return this.layout.littleEndian && this.layout.sizeBytes % 4 === 0 && byteOffset % 4 === 0;
  }
}

/** Counts events between two offsets; returns the complement (~) of the count where the data is damaged. */
function countWords(words: Int32Array, first: number, end: number): number {
  let events = 0;
  for (let at = first; at < end;) {
    const head = words[at++] ?? 0;
    const type = head & typeMask;
    if (type > typeLong && type < typePadding) {
      at += type;
      if (at > end) return ~events;
      events++;
      continue;
    }
    if (type === typePadding && (head & ~typeMask) === 0) break;
    if (at >= end) return ~events;
    if (type >= typeTimeExtend) {
      at++;
      continue;
    }
    // The rest, including this word. From 2^31 on it is negative here, hence too short instead of too long.
    const lengthBytes = words[at] ?? 0;
    if (lengthBytes < 4 || lengthBytes > (end - at) * 4) return ~events;
    at += (lengthBytes + 3) >>> 2;
    if (type === typeLong) events++;
  }
  return events;
}

/** Counts one piece, and its sub-buffers. */
export function countEvents(bytes: Uint8Array, layout: SubBufferLayout): EventTally & { subBuffers: number } {
  const tally = {
    subBuffers: Math.floor(bytes.length / layout.sizeBytes),
    events: 0,
    lostEvents: 0,
    unknownLosses: 0,
    damaged: 0,
  };
  new EventCounter(layout).add(bytes, tally);
  return tally;
}
