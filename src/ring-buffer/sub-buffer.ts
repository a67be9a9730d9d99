/**
 * Decodes a sub-buffer: the unit in which the ring buffer stores events and streams carry them.
 *
 * Layout (include/linux/ring_buffer.h, kernel/trace/ring_buffer.c; also in `events/header_page` and `header_event`):
 *   u64 time stamp of the first event | long commit: bits 0-26 length of the data, bit 30 = a count of lost events follows
 *   the data, bit 31 = events were lost before this sub-buffer | data.
 * Data is a sequence of events, each with a u32 header: type_len (5 bits) and time_delta (27 bits). type_len
 *   1-28 data of type_len * 4 bytes | 0 data, a u32 before it holds its length + 4
 *   29 padding: to the end if time_delta is 0, else of the length in the u32 that follows (a discarded event)
 *   30 time extend: a u32 follows that holds the upper bits of the delta | 31 absolute time stamp, of 59 bits
 *
 * The bytes come from a guest and are not trusted: what does not fit ends the sub-buffer with `damage` set; nothing
 * here throws or loops on any bytes.
 */
import { tracefsLimits } from "../tracefs/limits.ts";
import { typeLong, typeMask, typePadding, typeTimeExtend, typeTimeStamp } from "./event-header.ts";

export type SubBufferLayout = {
  /** Size of the whole sub-buffer with its header. */
  readonly sizeBytes: number;
  /** Size of the header: 16, or 12 where the kernel's long has 4 bytes. */
  readonly headerBytes: number;
  /** Size of the kernel's long. */
  readonly longBytes: 4 | 8;
  readonly littleEndian: boolean;
};

/** Why the rest of a sub-buffer cannot be read. */
export type Damage = "commit beyond the sub-buffer" | "event beyond the commit" | "event shorter than its header";

/** Events were lost, and the kernel had no room to store how many. */
export const unknownLoss = -1;

/** More than any kernel loses between two sub-buffers; sums of such counts stay exact. */
const lostCountMax = 2 ** 40;

const lengthMask = 0x07ff_ffff;
const countStored = 0x4000_0000;
const eventsMissed = 0x8000_0000;
const timeDeltaBits = 27;
const timeDeltaMask = 0x07ff_ffff;
const two27 = 2 ** 27;
const two32 = 2 ** 32;
/** An absolute time stamp lacks the upper five bits of the 64. */
const absoluteStampMissingBits = 0xf800_0000;

export function layoutOf(sizeBytes: number, longBytes: 4 | 8, littleEndian = true): SubBufferLayout {
  return { sizeBytes, headerBytes: 8 + longBytes, longBytes, littleEndian };
}

/** The layout that `events/header_page` describes; undefined if it is not understood. */
export function parseHeaderPage(text: string, littleEndian = true): SubBufferLayout | undefined {
  const field = (name: string): { offset: number; size: number } | undefined => {
    const [, offset, size] = new RegExp(`\\b${name};\\s*offset:(\\d{1,9});\\s*size:(\\d{1,9});`).exec(text) ?? [];
    return offset === undefined ? undefined : { offset: Number(offset), size: Number(size) };
  };
  const commit = field("commit");
  const data = field("data");
  if (commit?.offset !== 8 || (commit.size !== 4 && commit.size !== 8)) return undefined;
  if (data?.offset !== 8 + commit.size) return undefined;
  const sizeBytes = data.offset + data.size;
  if (sizeBytes < data.offset + 8 || sizeBytes > tracefsLimits.subBufferMaxBytes) return undefined;
  return layoutOf(sizeBytes, commit.size, littleEndian);
}

/** Before the first sub-buffer. */
const noView = new DataView(new ArrayBuffer(0));

/** Iterates over the events of one sub-buffer after another. Made once and reused: iterating allocates nothing. */
export class SubBufferCursor {
  readonly layout: SubBufferLayout;
  /** The current event's time stamp less `epoch`: exact as long as the two are within 2^53 (104 days in ns). */
  timestamp = 0;
  /** Offset and length of the current event's data in the view; the data begins with the event's common fields. */
  dataOffset = 0;
  dataBytes = 0;
  /** Events lost before the sub-buffer, or `unknownLoss`. */
  lostEvents = 0;
  /** Set when the rest of the sub-buffer cannot be read. */
  damage: Damage | undefined;

  readonly #epochHigh: number;
  readonly #epochLow: number;
  #view: DataView = noView;
  #high = 0;
  #next = 0;
  #end = 0;
  /** By number: 1 if events of it are wanted; undefined: all are. */
  #wanted: Uint8Array | undefined;
  #numberOffset = 0;
  /** What is not wanted is left out from here on. */
  #chooses = false;

  constructor(layout: SubBufferLayout, epoch = 0n) {
    this.layout = layout;
    this.#epochHigh = Number(epoch >> 32n);
    this.#epochLow = Number(epoch & 0xffff_ffffn);
  }

  /**
   * Leaves out events that are not wanted, but for the first of each sub-buffer: a caller that counts them sees that it gets on, and where
   * events were lost. `wanted`: by their number 1 for those that are, 65,536 of them; `numberOffset`: where the number lies in an event.
   */
  choose(wanted: Uint8Array, numberOffset: number): void {
    this.#wanted = wanted;
    this.#numberOffset = numberOffset;
  }

  /** Moves before the first event of the sub-buffer at `offset`, all of which must be in `view`. */
  reset(view: DataView, offset: number): void {
    const { headerBytes, longBytes, sizeBytes, littleEndian } = this.layout;
    const first = view.getUint32(offset, littleEndian);
    const second = view.getUint32(offset + 4, littleEndian);
    this.#high = littleEndian ? second : first;
    this.#stamp(this.#high, littleEndian ? first : second);
    const commit = view.getUint32(offset + 8 + (littleEndian || longBytes === 4 ? 0 : 4), littleEndian);
    let length = commit & lengthMask;
    this.damage = undefined;
    if (length > sizeBytes - headerBytes) {
      this.damage = "commit beyond the sub-buffer";
      length = 0;
    }
    this.#view = view;
    this.#next = offset + headerBytes;
    this.#end = this.#next + length;
    this.#chooses = false;
    this.lostEvents = 0;
    if ((commit & eventsMissed) !== 0) this.lostEvents = this.#lostCount(commit, offset + sizeBytes);
  }

  /** Where in the view the events begin that were not visited yet. */
  get position(): number {
    return this.#next;
  }

  /** Leaves out what was not visited yet. */
  skip(): void {
    this.#next = this.#end;
  }

  /** Bytes of events in the sub-buffer that were not visited yet. */
  get remainingBytes(): number {
    return this.#end - this.#next;
  }

  /** Moves to the next event that carries data; false at the end of the sub-buffer, or where it is damaged. */
  next(): boolean {
    const view = this.#view;
    const littleEndian = this.layout.littleEndian;
    const end = this.#end;
    let at = this.#next;
    while (at + 4 <= end) {
      const word = view.getUint32(at, littleEndian);
      const typeLength = littleEndian ? word & typeMask : word >>> timeDeltaBits;
      const delta = littleEndian ? word >>> 5 : word & timeDeltaMask;
      at += 4;
      if (typeLength > typeLong && typeLength < typePadding) {
        this.timestamp += delta;
        const bytes = typeLength * 4;
        if (at + bytes > end) return this.#stop("event beyond the commit");
        if (this.#chooses && !this.#isWanted(at, bytes)) {
          at += bytes;
          continue;
        }
        return this.#give(at, bytes, at + bytes);
      }
      if (typeLength === typePadding && delta === 0) break;
      if (at + 4 > end) return this.#stop("event beyond the commit");
      const argument = view.getUint32(at, littleEndian);
      if (typeLength === typeTimeExtend) {
        this.timestamp += argument * two27 + delta;
        at += 4;
      } else if (typeLength === typeTimeStamp) {
        const high = ((this.#high & absoluteStampMissingBits) | (argument >>> 5)) >>> 0;
        this.#stamp(high, (((argument & 31) << timeDeltaBits) | delta) >>> 0);
        at += 4;
      } else {
        this.timestamp += delta;
        if (argument < 4) return this.#stop("event shorter than its header");
        // Checked before rounding up, which would overflow for a length near 2^32.
        if (argument > end - at) return this.#stop("event beyond the commit");
        const length = (argument + 3) & ~3;
        if (at + length > end) return this.#stop("event beyond the commit");
        const data = at + 4;
        at += length;
        if (typeLength === typeLong && !(this.#chooses && !this.#isWanted(data, argument - 4)))
          return this.#give(data, argument - 4, at);
      }
    }
    this.#next = end;
    return false;
  }

  #give(offset: number, bytes: number, next: number): true {
    this.dataOffset = offset;
    this.dataBytes = bytes;
    this.#next = next;
    this.#chooses = this.#wanted !== undefined;
    return true;
  }

  /** An event that is too short for a number has none that is wanted. */
  #isWanted(offset: number, bytes: number): boolean {
    const at = this.#numberOffset;
    return bytes >= at + 2 && this.#wanted?.[this.#view.getUint16(offset + at, this.layout.littleEndian)] === 1;
  }

  /**
   * An absolute stamp of 59 bits that overflowed since the sub-buffer began is not corrected: that takes 18 years
   * in ns.
   */
  #stamp(high: number, low: number): void {
    this.timestamp = (high - this.#epochHigh) * two32 + (low - this.#epochLow);
  }

  #stop(damage: Damage): false {
    this.damage = damage;
    this.#next = this.#end;
    return false;
  }

  #lostCount(commit: number, end: number): number {
    const { longBytes, littleEndian } = this.layout;
    if ((commit & countStored) === 0 || this.#end + longBytes > end) return unknownLoss;
    const low = this.#view.getUint32(this.#end + (littleEndian || longBytes === 4 ? 0 : 4), littleEndian);
    if (longBytes === 4) return low;
    const count = low + this.#view.getUint32(this.#end + (littleEndian ? 4 : 0), littleEndian) * two32;
    return count > lostCountMax ? unknownLoss : count;
  }
}
