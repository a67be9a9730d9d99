/**
 * A column of texts. Each different one is held once, as the bytes that an event had; in the file it is UTF-8, where what is none
 * is taken for latin1, as in JSON. A file has them as a dictionary, or one by one where that is shorter.
 */
import type { EventRecord } from "../../events/event-record.ts";
import { Column } from "./column.ts";
import { resized } from "./resized.ts";
import { parquetLimits } from "./limits.ts";
import { bitWidth } from "./hybrid-runs.ts";
import type { Scratch, Values } from "./values.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** TASK_COMM_LEN of the kernel. */
export const nameBytes = 16;
const [lateEntries, lateInts] = [128, 5];
const slotsAtFirst = 16;
const bytesAtFirst = 128;
/** Ints of an entry: where its bytes begin, how many, their hash. */
const [entryInts, lengthAt, hashAt] = [3, 1, 2];

export class TextColumn extends Column {
  /** By row the text's place; -1 is null. */
  values = new Int32Array(0);
  #bytes = new Uint8Array(bytesAtFirst);
  #used = 0;
  #entries = new Int32Array(slotsAtFirst * entryInts);
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
      this.#entries.byteLength +
      this.#slots.byteLength
    );
  }

  protected override resizeTo(capacity: number): void {
    this.values = resized(this.values, new Int32Array(capacity));
    // A table of few rows, of which there may be thousands, remembers few names.
    const entries = Math.min(lateEntries, capacity);
    if (this.#late.length === entries * lateInts) return;
    this.#late = new Int32Array(entries * lateInts);
    this.#lateShift = 1 + Math.clz32(entries);
  }

  override clear(): void {
    super.clear();
    this.#bytes = new Uint8Array(bytesAtFirst);
    this.#entries = new Int32Array(slotsAtFirst * entryInts);
    this.#slots = new Int32Array(slotsAtFirst);
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
    this.#rowBytes += this.#entries[place * entryInts + lengthAt] ?? 0;
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
    const texts = Array.from({ length: this.#count }, (_, place) => this.#text(place));
    const [least, greatest] = extremes(texts);
    const size = texts.length;
    const dictionaryBytes = sum(texts) + 4 * size + (count * bitWidth(size)) / 8;
    if (dictionaryBytes <= this.#rowBytes + 4 * count)
      return { count, present, plain: plainOf(texts, scratch), places: { at, size }, least, greatest };
    const all = Array.from(at.subarray(0, count), (place) => texts[place] ?? nothing);
    return { count, present, plain: plainOf(all, scratch), places: undefined, least, greatest };
  }

  #placeOf(bytes: Uint8Array, offset: number, length: number, hash: number): number {
    const entries = this.#entries;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const place = (slots[slot] ?? 0) - 1;
      if (place < 0) return this.#add(slot, bytes, offset, length, hash);
      const entry = place * entryInts;
      if (
        entries[entry + hashAt] === hash &&
        entries[entry + lengthAt] === length &&
        this.#isSame(entries[entry] ?? 0, bytes, offset, length)
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
    this.#bytes.set(bytes.subarray(offset, offset + length), this.#used);
    const entry = place * entryInts;
    this.#entries[entry] = this.#used;
    this.#entries[entry + lengthAt] = length;
    this.#entries[entry + hashAt] = hash;
    this.#used += length;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
    return place;
  }

  #rehash(): void {
    const size = this.#slots.length * 2;
    const old = this.#entries;
    this.#entries = new Int32Array(size * entryInts);
    this.#entries.set(old);
    const slots = new Int32Array(size);
    for (let place = 0; place < this.#count; place++) {
      let slot = (old[place * entryInts + hashAt] ?? 0) & (size - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (size - 1);
      slots[slot] = place + 1;
    }
    this.#slots = slots;
    this.account();
  }

  #text(place: number): Uint8Array {
    const entry = place * entryInts;
    const start = this.#entries[entry] ?? 0;
    return asUtf8(this.#bytes.subarray(start, start + (this.#entries[entry + lengthAt] ?? 0)));
  }
}

const nothing = new Uint8Array(0);

function asUtf8(bytes: Uint8Array): Uint8Array {
  let high = 0;
  for (let at = 0; at < bytes.length; at++) high |= bytes[at] ?? 0;
  if (high < 0x80) return bytes;
  try {
    utf8.decode(bytes);
    return bytes;
  } catch {
    return Buffer.from(Buffer.from(bytes).toString("latin1"), "utf8");
  }
}

function sum(texts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const text of texts) bytes += text.length;
  return bytes;
}

/** Each with its length before it. */
function plainOf(texts: readonly Uint8Array[], scratch: Scratch): Uint8Array {
  const size = sum(texts) + 4 * texts.length;
  const out = scratch.bytes(size);
  let at = 0;
  for (const text of texts) {
    const { length } = text;
    out[at] = length & 0xff;
    out[at + 1] = (length >>> 8) & 0xff;
    out[at + 2] = (length >>> 16) & 0xff;
    out[at + 3] = length >>> 24;
    out.set(text, at + 4);
    at += 4 + length;
  }
  return out.subarray(0, size);
}

/** Copies; undefined where one is too long to be told. */
function extremes(texts: readonly Uint8Array[]): [least: Uint8Array | undefined, greatest: Uint8Array | undefined] {
  let [least, greatest] = [texts[0], texts[0]];
  for (const text of texts) {
    if (least !== undefined && Buffer.compare(text, least) < 0) least = text;
    if (greatest !== undefined && Buffer.compare(text, greatest) > 0) greatest = text;
  }
  const told = (text: Uint8Array | undefined): Uint8Array | undefined =>
    text === undefined || text.length > parquetLimits.statisticsBytes ? undefined : text.slice();
  return [told(least), told(greatest)];
}
