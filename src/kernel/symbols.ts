/**
 * kallsyms: which function an address lies in. Built at first use, since it holds a quarter of a million lines; names stay
 * bytes of the text.
 *
 * Addresses are kept as signed doubles: kernel addresses lie within 2^53 of 2^64, so they are exact as negative numbers.
 * Their order is that of unsigned ones: negative numbers come last.
 */
import type { ByteWriter } from "./byte-writer.ts";

const two32 = 2 ** 32;
const newline = 0x0a;
const tab = 0x09;
const space = 0x20;

export class SymbolTable {
  readonly #text: Uint8Array;
  #addresses: Float64Array | undefined;
  #nameOffsets = new Uint32Array(0);
  #nameLengths = new Uint16Array(0);

  /** `kallsyms` as /proc has it: "ffffffff81000000 T _stext\t[module]". */
  constructor(kallsyms: Uint8Array) {
    this.#text = kallsyms;
  }

  get size(): number {
    return this.#table().length;
  }

  /** Index of the symbol at or before an address, -1 if none is. */
  find(high: number, low: number): number {
    const addresses = this.#table();
    const wanted = (high | 0) * two32 + (low >>> 0);
    // As bsearch(3) goes, so that of several names for one address the same is found as trace-cmd finds.
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
    return Buffer.from(this.#text.buffer, this.#text.byteOffset + offset, this.#nameLengths[index] ?? 0).toString("latin1");
  }

  sameName(first: number, second: number): boolean {
    const length = this.#nameLengths[first] ?? 0;
    if (length !== this.#nameLengths[second]) return false;
    const [a, b] = [this.#nameOffsets[first] ?? 0, this.#nameOffsets[second] ?? 0];
    for (let at = 0; at < length; at++) if (this.#text[a + at] !== this.#text[b + at]) return false;
    return true;
  }

  /** Address of a symbol by its name: a walk over all of them, for print fmts that name one. */
  addressOf(name: string): bigint | undefined {
    const addresses = this.#table();
    for (let index = 0; index < addresses.length; index++) {
      if (this.#nameLengths[index] === name.length && this.name(index) === name) return BigInt.asUintN(64, BigInt(addresses[index] ?? 0));
    }
    return undefined;
  }

  #table(): Float64Array {
    this.#addresses ??= this.#build();
    return this.#addresses;
  }

  #build(): Float64Array {
    const text = this.#text;
    const lines = countLines(text);
    const addresses = new Float64Array(lines);
    const offsets = new Uint32Array(lines);
    const lengths = new Uint16Array(lines);
    let count = 0;
    for (let at = 0; at < text.length; ) {
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
      for (let char = text[end]; char !== undefined && char !== newline && char !== tab && char !== space; char = text[end]) end++;
      // ARM's mapping symbols and x86's absolute per-CPU offsets are no places of functions.
      if (text[at] === space && text[start] !== 0x24 && type !== 0x41 && type !== 0x61 && end > start) {
        addresses[count] = high * two32 + (low >>> 0);
        offsets[count] = start;
        lengths[count++] = end - start;
      }
      for (at = end; at < text.length && text[at] !== newline; ) at++;
      at++;
    }
    return this.#sort(addresses.subarray(0, count), offsets, lengths);
  }

  /** By address; of equal ones the later line first, as trace-cmd has them. */
  #sort(addresses: Float64Array, offsets: Uint32Array, lengths: Uint16Array): Float64Array {
    const order = new Uint32Array(addresses.length);
    for (let index = 0; index < order.length; index++) order[index] = order.length - 1 - index;
    order.sort((a, b) => {
      const [first, second] = [addresses[a] ?? 0, addresses[b] ?? 0];
      if (first === second) return b - a;
      return isBelow(first, second) ? -1 : 1;
    });
    this.#nameOffsets = order.map((index) => offsets[index] ?? 0);
    this.#nameLengths = Uint16Array.from(order, (index) => lengths[index] ?? 0);
    return Float64Array.from(order, (index) => addresses[index] ?? 0);
  }
}

function isBelow(first: number, second: number): boolean {
  return first < 0 === second < 0 ? first < second : second < 0;
}

function countLines(text: Uint8Array): number {
  let lines = 1;
  for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) lines++;
  return lines;
}

function hexDigit(char: number | undefined): number {
  if (char === undefined) return -1;
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  if (char >= 0x61 && char <= 0x66) return char - 0x57;
  return char >= 0x41 && char <= 0x46 ? char - 0x37 : -1;
}
