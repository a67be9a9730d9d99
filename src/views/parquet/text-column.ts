/**
 * A column of texts. Each different one is held once, as the bytes that an event had; in the file it is UTF-8, where what is none
 * is taken for latin1, as in JSON. A file has them as a dictionary, or one by one where that is shorter.
 */
import type { EventRecord } from "../../events/event-record.ts";
import { Column } from "./column.ts";
import { resized } from "./resized.ts";
import { parquetLimits } from "./limits.ts";
import { bitWidth } from "./hybrid-runs.ts";
import { TextList } from "./text-list.ts";
import type { Scratch, Values } from "./values.ts";

/** TASK_COMM_LEN of the kernel. */
export const nameBytes = 16;
const [lateEntries, lateInts] = [128, 5];
const slotsAtFirst = 16;
const bytesAtFirst = 128;
/** A row group begins with the room that the one before had, up to these: most columns have few different texts. */
const [slotsKept, bytesKept] = [4096, 64 * 1024];

export class TextColumn extends Column {
  /** By row the text's place; -1 is null. */
  values = new Int32Array(0);
  #bytes = new Uint8Array(bytesAtFirst);
  #used = 0;
  /** By place where the text begins, and at the end where the last one ends. */
  #starts = new Int32Array(slotsAtFirst + 1);
  #hashes = new Int32Array(slotsAtFirst);
  #count = 0;
  #slots = new Int32Array(slotsAtFirst);
  /** Bytes of all rows, were each written for itself. */
  #rowBytes = 0;
  /** Places of texts of ours. */
  readonly #known = new Map<string, number>();
  /** Names of tasks that came lately: the place from 1 on, then the name's bytes. */
  #late = new Int32Array(lateInts);
  #lateShift = 31;

  constructor(name: string) {
    super(name, "text");
  }

  protected override get heldBytes(): number {
    return (
      this.values.byteLength +
      this.#late.byteLength +
      this.#bytes.length +
      this.#starts.byteLength +
      this.#hashes.byteLength +
      this.#slots.byteLength
    );
  }

  protected override resizeTo(capacity: number): void {
    if (capacity < this.values.length) {
      this.#bytes = new Uint8Array(bytesAtFirst);
      this.#makeSlots(slotsAtFirst);
    }
    this.values = resized(this.values, new Int32Array(capacity));
    // A table of few rows, of which there may be thousands, remembers few names.
    const entries = Math.min(lateEntries, capacity);
    if (this.#late.length === entries * lateInts) return;
    this.#late = new Int32Array(entries * lateInts);
    this.#lateShift = 1 + Math.clz32(entries);
  }

  override clear(): void {
    super.clear();
    if (this.#bytes.length > bytesKept) this.#bytes = new Uint8Array(bytesKept);
    if (this.#slots.length > slotsKept) this.#makeSlots(slotsKept);
    else this.#slots.fill(0);
    this.#used = this.#count = this.#rowBytes = 0;
    this.#known.clear();
    this.#late.fill(0);
    this.account();
  }

  override setNull(row: number): void {
    this.values[row] = -1;
  }

  /** At most `size` bytes, up to a NUL. */
  set(row: number, bytes: Uint8Array, offset: number, size: number): void {
    const end = offset + Math.min(size, parquetLimits.textBytes);
    let hash = 17;
    let at = offset;
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === 0) break;
      hash = Math.imul(hash, 31) + byte;
    }
    const length = at - offset;
    this.#rowBytes += length;
    this.values[row] = this.#placeOf(bytes, offset, length, hash ^ (hash >>> 15));
  }

  /** Again the text of a place that this row group has. */
  setPlace(row: number, place: number): void {
    this.values[row] = place;
    this.#rowBytes += (this.#starts[place + 1] ?? 0) - (this.#starts[place] ?? 0);
  }

  /** A name of a task in its field of 16 bytes, of which there are few: one that came lately is known by its bytes. */
  setName(row: number, { view, bytes, at }: EventRecord, offset: number): void {
    const from = at + offset;
    const [first, second] = [view.getInt32(from, true), view.getInt32(from + 4, true)];
    const [third, fourth] = [view.getInt32(from + 8, true), view.getInt32(from + 12, true)];
    const mixed = Math.imul(first ^ Math.imul(second, 0x9e3779b1) ^ Math.imul(third, 0x85ebca6b) ^ fourth, 0xc2b2ae35);
    const entry = (mixed >>> this.#lateShift) * lateInts;
    const late = this.#late;
    if (
      late[entry + 1] === first &&
      late[entry + 2] === second &&
      late[entry + 3] === third &&
      late[entry + 4] === fourth &&
      (late[entry] ?? 0) > 0
    ) {
      this.setPlace(row, (late[entry] ?? 0) - 1);
      return;
    }
    this.set(row, bytes, from, nameBytes);
    late[entry] = (this.values[row] ?? 0) + 1;
    late[entry + 1] = first;
    late[entry + 2] = second;
    late[entry + 3] = third;
    late[entry + 4] = fourth;
  }

  /** A text of ours, in letters; undefined is null. */
  setText(row: number, text: string | undefined): void {
    if (text === undefined) {
      this.setNull(row);
      return;
    }
    const known = this.#known.get(text);
    if (known !== undefined) {
      this.setPlace(row, known);
      return;
    }
    const bytes = Buffer.from(text, "utf8");
    this.set(row, bytes, 0, bytes.length);
    if (this.#known.size < parquetLimits.knownTexts) this.#known.set(text, this.values[row] ?? -1);
  }

  encode(rows: number, scratch: Scratch): Values {
    const { values } = this;
    const at = scratch.ints(0, rows);
    let present: Uint8Array | undefined;
    let count = 0;
    for (let row = 0; row < rows; row++) {
      const place = values[row] ?? 0;
      if (place >= 0) at[count++] = place;
      else {
        present ??= new Uint8Array(rows).fill(1);
        present[row] = 0;
      }
    }
    const texts = new TextList(this.#bytes, this.#starts, this.#count).asUtf8();
    const { size, bytes } = texts;
    const [least, greatest] = texts.extremes();
    const dictionaryBytes = bytes + 4 * size + (count * bitWidth(size)) / 8;
    if (dictionaryBytes <= this.#rowBytes + 4 * count)
      return { count, present, plain: texts.plain(scratch), places: { at, size }, least, greatest };
    return { count, present, plain: texts.plain(scratch, at.subarray(0, count)), places: undefined, least, greatest };
  }

  #placeOf(bytes: Uint8Array, offset: number, length: number, hash: number): number {
    const [starts, hashes, slots] = [this.#starts, this.#hashes, this.#slots];
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const place = (slots[slot] ?? 0) - 1;
      if (place < 0) return this.#add(slot, bytes, offset, length, hash);
      const start = starts[place] ?? 0;
      if (
        hashes[place] === hash &&
        (starts[place + 1] ?? 0) - start === length &&
        this.#isSame(start, bytes, offset, length)
      )
        return place;
      slot = (slot + 1) & mask;
    }
  }

  #isSame(at: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const own = this.#bytes;
    for (let index = 0; index < length; index++) if (own[at + index] !== bytes[offset + index]) return false;
    return true;
  }

  #add(slot: number, bytes: Uint8Array, offset: number, length: number, hash: number): number {
    const place = this.#count++;
    this.#slots[slot] = place + 1;
    if (this.#used + length > this.#bytes.length) {
      const old = this.#bytes;
      this.#bytes = new Uint8Array(Math.max(old.length * 2, this.#used + length));
      this.#bytes.set(old);
      this.account();
    }
    const own = this.#bytes;
    let used = this.#used;
    for (let at = offset; at < offset + length; at++) own[used++] = bytes[at] ?? 0;
    this.#used = used;
    this.#hashes[place] = hash;
    this.#starts[place + 1] = used;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
    return place;
  }

  #rehash(): void {
    const [starts, hashes] = [this.#starts, this.#hashes];
    this.#makeSlots(this.#slots.length * 2);
    this.#starts.set(starts);
    this.#hashes.set(hashes);
    const slots = this.#slots;
    for (let place = 0; place < this.#count; place++) {
      let slot = (hashes[place] ?? 0) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = place + 1;
    }
    this.account();
  }

  /** Twice as many slots as texts. */
  #makeSlots(size: number): void {
    this.#slots = new Int32Array(size);
    this.#starts = new Int32Array(size / 2 + 2);
    this.#hashes = new Int32Array(size / 2 + 1);
  }
}
