/** Takes the arguments of trace_printk() out of an event, one after the other, into slots. */
import type { EventRecord } from "../event-record.ts";
import type { Slot } from "../print-format/slot.ts";

export type NumberBytes = 1 | 2 | 4 | 8;

/** As vbin_printf() packs them (lib/vsprintf.c): each aligned to its own size, but to 4 bytes at most; strings not at all. */
export class PackedArguments {
  readonly #littleEndian: boolean;
  #at = 0;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  /** The arguments begin at `offset` in an event. */
  begin(offset: number): void {
    this.#at = offset;
  }

  /** One that reaches out of the event is 0. */
  number({ view, at: start, size }: EventRecord, bytes: NumberBytes, slot: Slot): void {
    const alignment = bytes < 4 ? bytes : 4;
    const from = (this.#at + alignment - 1) & -alignment;
    this.#at = from + bytes;
    slot.low = slot.high = 0;
    if (this.#at > size) return;
    const littleEndian = this.#littleEndian;
    const at = start + from;
    if (bytes === 1) slot.low = view.getUint8(at);
    else if (bytes === 2) slot.low = view.getUint16(at, littleEndian);
    else if (bytes === 4) slot.low = view.getInt32(at, littleEndian);
    else {
      slot.low = view.getInt32(littleEndian ? at : at + 4, littleEndian);
      slot.high = view.getInt32(littleEndian ? at + 4 : at, littleEndian);
    }
  }

  string({ bytes, at, size }: EventRecord, slot: Slot): void {
    const from = this.#at < size ? this.#at : size;
    let end = from;
    while (end < size && bytes[at + end] !== 0) end++;
    this.#at = end + 1;
    slot.start = at + from;
    slot.size = end - from;
  }

  /** Whether text stands where the next argument is, and not an address. */
  isText({ bytes, at, size }: EventRecord): boolean {
    const first = this.#at < size ? (bytes[at + this.#at] ?? 0) : 0;
    return first >= 0x20 && first < 0x7f;
  }
}
