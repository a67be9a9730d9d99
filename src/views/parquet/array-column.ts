/**
 * A column of arrays of numbers, as lists that JSON has, too. Arrays of a fixed size, as a system call's arguments, come again and
 * again: one that came lately is known by its bytes, and not written as text another time.
 */
import { ByteWriter } from "../../base/byte-writer.ts";
import type { EventField } from "../../events/event-format.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { ElementCursor, elementBytes, fieldPlace } from "../../events/field-array.ts";
import { TextColumn } from "./text-column.ts";

/** Arrays that are remembered, and ints of one at most. */
const [remembered, intsMax] = [512, 16];

export class ArrayColumn extends TextColumn {
  readonly #place: ReturnType<typeof fieldPlace>;
  readonly #offset: number;
  readonly #size: number;
  readonly #isSigned: boolean;
  readonly #elements: ElementCursor;
  readonly #text = new ByteWriter(() => {});
  /** Of an array that can be known again; 0: of others. */
  readonly #ints: number;
  /** The place from 1 on, then the bytes. Made for the first array. */
  #late: Int32Array | undefined;

  constructor(field: EventField, littleEndian: boolean) {
    super(field.name);
    this.#place = fieldPlace(field, littleEndian);
    this.#offset = field.offset;
    this.#size = elementBytes(field);
    this.#isSigned = field.signed && !field.pointer;
    this.#elements = new ElementCursor(littleEndian);
    const ints = field.size / 4;
    this.#ints = field.dynamic === "" && Number.isInteger(ints) && ints <= intsMax ? ints : 0;
  }

  override clear(): void {
    super.clear();
    this.#late?.fill(0);
  }

  setArray(row: number, record: EventRecord): void {
    const ints = this.#ints;
    if (ints === 0 || this.values.length < remembered) {
      this.#write(row, record);
      return;
    }
    const late = (this.#late ??= new Int32Array(remembered * (ints + 1)));
    const { view } = record;
    const from = record.at + this.#offset;
    let mixed = 0;
    for (let index = 0; index < ints; index++)
      mixed = Math.imul(mixed ^ view.getInt32(from + index * 4, true), 0x9e3779b1) ^ (mixed >>> 15);
    const entry = ((mixed ^ (mixed >>> 16)) & (remembered - 1)) * (ints + 1);
    const place = (late[entry] ?? 0) - 1;
    if (place >= 0) {
      let same = 0;
      while (same < ints && late[entry + 1 + same] === view.getInt32(from + same * 4, true)) same++;
      if (same === ints) {
        this.setPlace(row, place);
        return;
      }
    }
    this.#write(row, record);
    late[entry] = (this.values[row] ?? 0) + 1;
    for (let index = 0; index < ints; index++) late[entry + 1 + index] = view.getInt32(from + index * 4, true);
  }

  #write(row: number, record: EventRecord): void {
    const [elements, text, size] = [this.#elements, this.#text, this.#size];
    const shift = size >= 4 ? 0 : 32 - size * 8;
    text.length = 0;
    text.byte(0x5b);
    elements.begin(record, this.#place.offset(record), this.#place.bytes(record), size);
    while (elements.next()) {
      if (elements.index > 0) text.byte(0x2c);
      if (!this.#isSigned) text.unsigned64(elements.high, elements.low);
      else if (size === 8) text.signed64(elements.high, elements.low);
      else text.signed32((elements.low << shift) >> shift);
    }
    text.byte(0x5d);
    this.set(row, text.bytes, 0, text.length);
  }
}
