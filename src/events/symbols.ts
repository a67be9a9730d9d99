/**
 * kallsyms: the function of an address. Built at first use, because it has a quarter of a
 * million lines; names stay bytes of the text.
 *
 * Addresses are kept as signed doubles: kernel addresses lie within 2^53 of 2^64, so they are exact as negative numbers.
 * Their order is that of unsigned ones: negative numbers come last.
 */
import type { ByteWriter } from "../base/byte-writer.ts";
import { orderByAddress } from "./address-order.ts";
import { eventLimits } from "./limits.ts";
import type { Metadata } from "./trace-metadata.ts";

const two32 = 2 ** 32;
const newline = 0x0a;
const tab = 0x09;
const space = 0x20;
/** A line of kallsyms has 40 bytes or more: room for so many at first, which is only taken as it is filled. */
const usualLineBytes = 32;

/** Tables that were built: machines of one kernel that told the same text have one in memory. */
const built: WeakRef<SymbolTable>[] = [];

export class SymbolTable {
  readonly #source: Pick<Metadata, "kallsyms">;
  #text: Uint8Array = new Uint8Array(0);
  #addresses: Float64Array | undefined;
  #nameOffsets = new Uint32Array(0);
  #nameLengths = new Uint16Array(0);
  #byName: Uint32Array | undefined;

  /** `kallsyms` in the form of /proc: "ffffffff81000000 T _stext\t[module]". Read on first use. */
  constructor(source: Pick<Metadata, "kallsyms">) {
    this.#source = source;
  }

  get size(): number {
    return this.#table().length;
  }

  /** Index of the symbol at or before an address, -1 if none is. */
  find(high: number, low: number): number {
    const addresses = this.#table();
    const wanted = (high | 0) * two32 + (low >>> 0);
    // Like bsearch(3), so that of several names for one address the same is found as by trace-cmd.
    let from = 0;
    let to = addresses.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const address = addresses[middle] ?? 0;
      if (address === wanted) return middle;
      if (isBelow(address, wanted)) {
        const next = addresses[middle + 1];
        if (next !== undefined && isBelow(wanted, next)) return middle;
        from = middle + 1;
      } else to = middle;
    }
    return -1;
  }

  /** Distance of an address to the symbol found for it. */
  offsetIn(index: number, high: number, low: number): number {
    return (high | 0) * two32 + (low >>> 0) - (this.#table()[index] ?? 0);
  }

  write(out: ByteWriter, index: number): void {
    const offset = this.#nameOffsets[index] ?? 0;
    const end = offset + (this.#nameLengths[index] ?? 0);
    for (let at = offset; at < end; at++) out.byte(this.#text[at] ?? 0);
  }

  name(index: number): string {
    const offset = this.#nameOffsets[index] ?? 0;
    return Buffer.from(this.#text.buffer, this.#text.byteOffset + offset, this.#nameLengths[index] ?? 0).toString(
      "latin1",
    );
  }

  sameName(first: number, second: number): boolean {
    const length = this.#nameLengths[first] ?? 0;
    if (length !== this.#nameLengths[second]) return false;
    const [a, b] = [this.#nameOffsets[first] ?? 0, this.#nameOffsets[second] ?? 0];
    for (let at = 0; at < length; at++) if (this.#text[a + at] !== this.#text[b + at]) return false;
    return true;
  }

  /** Address of a symbol by its name, for print fmts that name one: the first of several. */
  addressOf(name: string): bigint | undefined {
    const addresses = this.#table();
    const slots = (this.#byName ??= this.#indexNames());
    for (let slot = hashOfText(name) % slots.length; ; slot = (slot + 1) % slots.length) {
      const index = (slots[slot] ?? 0) - 1;
      if (index < 0) return undefined;
      if (this.#nameLengths[index] === name.length && this.name(index) === name)
        return BigInt.asUintN(64, BigInt(addresses[index] ?? 0));
    }
  }

  /** A hash table, open addressed: index of the symbol + 1 in the first free place from its hash on. */
  #indexNames(): Uint32Array {
    const count = this.#nameLengths.length;
    const slots = new Uint32Array(count * 2 + 1);
    for (let index = 0; index < count; index++) {
      let slot = this.#hashOfName(index) % slots.length;
      // Of equal names one is kept: otherwise a file that repeats one would make a chain as long as the table.
      while (slots[slot] !== 0 && !this.sameName((slots[slot] ?? 0) - 1, index)) slot = (slot + 1) % slots.length;
      if (slots[slot] === 0) slots[slot] = index + 1;
    }
    return slots;
  }

  #hashOfName(index: number): number {
    const offset = this.#nameOffsets[index] ?? 0;
    const end = offset + (this.#nameLengths[index] ?? 0);
    let hash = hashSeed;
    for (let at = offset; at < end; at++) hash = Math.imul(hash ^ (this.#text[at] ?? 0), hashPrime);
    return hash >>> 0;
  }

  /** Whether it is of this very text, byte by byte. */
  isOf(text: Uint8Array): boolean {
    return Buffer.compare(this.#text, text) === 0;
  }

  #table(): Float64Array {
    this.#addresses ??= this.#build();
    return this.#addresses;
  }

  #build(): Float64Array {
    const text = this.#source.kallsyms ?? new Uint8Array(0);
    const equal = builtOf(text);
    if (equal !== undefined) {
      this.#text = equal.#text;
      this.#nameOffsets = equal.#nameOffsets;
      this.#nameLengths = equal.#nameLengths;
      return equal.#table();
    }
    if (text.length > 0) built.push(new WeakRef(this));
    this.#text = text;
    const room = 1 + Math.min(eventLimits.symbols, Math.ceil(text.length / usualLineBytes));
    let highs = new Uint32Array(room);
    let lows = new Uint32Array(room);
    let offsets = new Uint32Array(room);
    let lengths = new Uint16Array(room);
    let count = 0;
    for (let at = 0; at < text.length && count < eventLimits.symbols;) {
      let high = 0;
      let low = 0;
      let digit = hexDigit(text[at]);
      for (; digit >= 0; digit = hexDigit(text[++at])) {
        high = (high << 4) | (low >>> 28);
        low = (low << 4) | digit;
      }
      const type = text[at + 1] ?? 0;
      const start = at + 3;
      let end = start;
      for (
        let char = text[end];
        char !== undefined && char !== newline && char !== tab && char !== space;
        char = text[end]
      )
        end++;
      // ARM's mapping symbols and x86's absolute per-CPU offsets are no addresses of functions.
      if (text[at] === space && text[start] !== 0x24 && type !== 0x41 && type !== 0x61 && end > start) {
        if (count === highs.length) {
          // Sized by actual entries, not by possible lines: a text of newlines alone has none.
          highs = larger(highs, new Uint32Array(count * 2));
          lows = larger(lows, new Uint32Array(count * 2));
          offsets = larger(offsets, new Uint32Array(count * 2));
          lengths = larger(lengths, new Uint16Array(count * 2));
        }
        highs[count] = high;
        lows[count] = low;
        offsets[count] = start;
        lengths[count++] = Math.min(end - start, eventLimits.symbolNameBytes);
      }
      for (at = end; at < text.length && text[at] !== newline;) at++;
      at++;
    }
    // Of equal addresses the later line comes first, as in trace-cmd.
    const reversed = new Uint32Array(count);
    for (let index = 0; index < count; index++) reversed[index] = count - 1 - index;
    const order = orderByAddress(highs, lows, reversed);
    const addresses = new Float64Array(count);
    this.#nameOffsets = new Uint32Array(count);
    this.#nameLengths = new Uint16Array(count);
    for (let to = 0; to < count; to++) {
      const index = order[to] ?? 0;
      addresses[to] = ((highs[index] ?? 0) | 0) * two32 + (lows[index] ?? 0);
      this.#nameOffsets[to] = offsets[index] ?? 0;
      this.#nameLengths[to] = lengths[index] ?? 0;
    }
    return addresses;
  }
}

function builtOf(text: Uint8Array): SymbolTable | undefined {
  if (text.length === 0) return undefined;
  for (const reference of built) {
    const table = reference.deref();
    if (table?.isOf(text) === true) return table;
  }
  return undefined;
}

/** FNV-1a with a random seed per run, so that a file cannot be made to have all its names collide. */
const hashSeed = (Math.random() * two32) | 0;
const hashPrime = 0x0100_0193;

function hashOfText(text: string): number {
  let hash = hashSeed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ (text.charCodeAt(at) & 0xff), hashPrime);
  return hash >>> 0;
}

function isBelow(first: number, second: number): boolean {
  return first < 0 === second < 0 ? first < second : second < 0;
}

function larger<T extends Uint32Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function hexDigit(char: number | undefined): number {
  if (char === undefined) return -1;
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  if (char >= 0x61 && char <= 0x66) return char - 0x57;
  return char >= 0x41 && char <= 0x46 ? char - 0x37 : -1;
}
