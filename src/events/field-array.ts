/** Arrays in events: where the bytes of an array field are, and its elements one after the other. */
import type { EventField } from "./event-format.ts";
import type { EventRecord } from "./event-record.ts";
import { dynamicLength, dynamicOffset } from "./print-format/dynamic.ts";
import type { Reader } from "./print-format/number-node.ts";

/** Within the event: an offset from its start, and the array's bytes there. */
export type ArrayPlace = { offset: Reader; bytes: Reader };

export function fieldPlace(field: EventField, littleEndian: boolean): ArrayPlace {
  if (field.dynamic !== "") {
    return {
      offset: (record) => dynamicOffset(record, field, littleEndian),
      bytes: (record) => dynamicLength(record, field, littleEndian),
    };
  }
  const { offset, size } = field;
  // The array that a tracer's event ends with may be cut.
  return {
    offset: () => offset,
    bytes: (record) => Math.max(0, Math.min(size === 0 ? Infinity : size, record.size - offset)),
  };
}

/** Bytes of the elements as shown: an array of anything but numbers is one of bytes. */
export function elementBytes({ elementSize }: EventField): number {
  return isElementSize(elementSize) ? elementSize : 1;
}

export function isElementSize(bytes: number): boolean {
  return bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;
}

/** One element after the other, each as the two halves of a u64, of which only the low one may be set. */
export class ElementCursor {
  /** Value of the current element. */
  index = -1;
  high = 0;
  low = 0;
  readonly #littleEndian: boolean;
  #record: EventRecord | undefined;
  #at = 0;
  #end = 0;
  #size = 1;

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  /** `bytes`: of the array at `offset` of the event; `size`: of an element, 1, 2, 4 or 8. */
  begin(record: EventRecord, offset: number, bytes: number, size: number): void {
    this.index = -1;
    this.#record = record;
    this.#at = record.at + offset;
    this.#end = record.at + Math.min(offset + bytes, record.size);
    this.#size = size;
  }

  /** False when no whole element is left. */
  next(): boolean {
    const at = this.#at;
    if (this.#record === undefined || at + this.#size > this.#end) return false;
    const { view } = this.#record;
    this.high = 0;
    if (this.#size === 1) this.low = view.getUint8(at);
    else if (this.#size === 2) this.low = view.getUint16(at, this.#littleEndian);
    else if (this.#size === 4) this.low = view.getInt32(at, this.#littleEndian);
    else {
      this.low = view.getInt32(this.#littleEndian ? at : at + 4, this.#littleEndian);
      this.high = view.getInt32(this.#littleEndian ? at + 4 : at, this.#littleEndian);
    }
    this.#at = at + this.#size;
    this.index++;
    return true;
  }
}
