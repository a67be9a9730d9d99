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
/** Addresses that were asked for, by some of their bits, and what was found: a power of two. */
const keptAnswers = 1024;

/** Tables that were built: machines of one kernel that told the same text have one in memory. */
const built: WeakRef<SymbolTable>[] = [];

export class SymbolTable {
  readonly #source: Pick<Metadata, "kallsyms">;
  #text: Uint8Array = new Uint8Array(0);
  #addresses: Float64Array | undefined;
  /** By symbol where in the text its name begins. */
  #names: Uint32Array = new Uint32Array(0);
  readonly #asked = new Float64Array(keptAnswers).fill(NaN);
  readonly #answers = new Int32Array(keptAnswers);
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
    const wanted = (high | 0) * two32 + (low >>> 0);
    const place = (low ^ (low >>> 10)) & (keptAnswers - 1);
    if (this.#asked[place] !== wanted) {
      this.#answers[place] = this.#search(wanted);
      this.#asked[place] = wanted;
    }
    return this.#answers[place] ?? -1;
  }

  #search(wanted: number): number {
    const addresses = this.#table();
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
    const start = this.#names[index] ?? 0;
    out.copy(this.#text, start, nameEnd(this.#text, start));
  }

  name(index: number): string {
    const start = this.#names[index] ?? 0;
    const length = nameEnd(this.#text, start) - start;
    return Buffer.from(this.#text.buffer, this.#text.byteOffset + start, length).toString("latin1");
  }

  sameName(first: number, second: number): boolean {
    const text = this.#text;
    const start = this.#names[first] ?? 0;
    const other = this.#names[second] ?? 0;
    const length = nameEnd(text, start) - start;
    if (length !== nameEnd(text, other) - other) return false;
    for (let at = 0; at < length; at++) if (text[start + at] !== text[other + at]) return false;
    return true;
  }

  /** Address of a symbol by its name, for print fmts that name one: the first of several. */
  addressOf(name: string): bigint | undefined {
    const addresses = this.#table();
    const slots = (this.#byName ??= this.#indexNames());
    for (let slot = hashOfText(name) % slots.length; ; slot = (slot + 1) % slots.length) {
      const index = (slots[slot] ?? 0) - 1;
      if (index < 0) return undefined;
      if (this.name(index) === name) return BigInt.asUintN(64, BigInt(addresses[index] ?? 0));
    }
  }

  /** A hash table, open addressed: index of the symbol + 1 in the first free place from its hash on. */
  #indexNames(): Uint32Array {
    const count = this.#names.length;
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
    const start = this.#names[index] ?? 0;
    const end = nameEnd(this.#text, start);
    let hash = hashSeed;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (this.#text[at] ?? 0), hashPrime);
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
      const addresses = equal.#table();
      this.#names = equal.#names;
      return addresses;
    }
    if (text.length > 0) built.push(new WeakRef(this));
    this.#text = text;
    const { addresses, names } = inOrder(symbolsIn(text));
    this.#names = names;
    return addresses;
  }
}

type Symbols = { addresses: Float64Array<ArrayBuffer>; names: Uint32Array<ArrayBuffer> };

/** In the order of the lines: of each that tells of a function or of data the address, and where the name begins. */
function symbolsIn(text: Uint8Array): Symbols {
  const room = 1 + Math.min(eventLimits.symbols, Math.ceil(text.length / usualLineBytes));
  let addresses = new Float64Array(room);
  let names = new Uint32Array(room);
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
    while (end < text.length && !endsName(text[end])) end++;
    // ARM's mapping symbols and x86's absolute per-CPU offsets are no addresses of functions.
    if (text[at] === space && text[start] !== 0x24 && type !== 0x41 && type !== 0x61 && end > start) {
      if (count === addresses.length) {
        // Sized by actual entries, not by possible lines: a text of newlines alone has none.
        addresses = larger(addresses, new Float64Array(count * 2));
        names = larger(names, new Uint32Array(count * 2));
      }
      addresses[count] = high * two32 + (low >>> 0);
      names[count++] = start;
    }
    for (at = end; at < text.length && text[at] !== newline;) at++;
    at++;
  }
  return { addresses: addresses.subarray(0, count), names: names.subarray(0, count) };
}

/** By address; of equal ones the later line comes first, as in trace-cmd. Mostly they are in order, but for those of modules. */
function inOrder(symbols: Symbols): Symbols {
  const { addresses, names } = symbols;
  if (addresses.some((address, at) => at > 0 && isBelow(address, addresses[at - 1] ?? 0))) return sorted(symbols);
  const count = addresses.length;
  for (let first = 0, end = 1; first < count; first = end++) {
    while (end < count && addresses[end] === addresses[first]) end++;
    if (end - first > 1) names.subarray(first, end).reverse();
  }
  return symbols;
}

function sorted({ addresses, names }: Symbols): Symbols {
  const count = addresses.length;
  const highs = new Uint32Array(count);
  const lows = new Uint32Array(count);
  const later = new Uint32Array(count);
  for (let at = 0; at < count; at++) {
    const address = addresses[at] ?? 0;
    const high = Math.floor(address / two32);
    highs[at] = high;
    lows[at] = address - high * two32;
    later[at] = count - 1 - at;
  }
  const order = orderByAddress(highs, lows, later);
  return {
    addresses: addresses.map((_, to) => addresses[order[to] ?? 0] ?? 0),
    names: names.map((_, to) => names[order[to] ?? 0] ?? 0),
  };
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

function larger<T extends Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function endsName(char: number | undefined): boolean {
  return char === newline || char === tab || char === space;
}

/** Where the name that begins at `start` ends; one that is too long for Linux is cut. */
function nameEnd(text: Uint8Array, start: number): number {
  const most = Math.min(text.length, start + eventLimits.symbolNameBytes);
  let end = start;
  while (end < most && !endsName(text[end])) end++;
  return end;
}

function hexDigit(char: number | undefined): number {
  if (char === undefined) return -1;
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  if (char >= 0x61 && char <= 0x66) return char - 0x57;
  return char >= 0x41 && char <= 0x46 ? char - 0x37 : -1;
}
