/**
 * Text as bytes, made without strings: printing an event allocates nothing. The receiver is called with the bytes
 * whenever enough have been collected; they are valid only until it returns.
 */
import {
  decimalPairs,
  decimalWord,
  hexPairs,
  hundreds,
  lowerHexWord,
  octalDigit,
  tenThousands,
  upperHexPairs,
  upperHexWord,
} from "./digits.ts";
import { baseLimits } from "./limits.ts";

const zero = 0x30;
const space = 0x20;
const two32 = 2 ** 32;
const two53 = 2 ** 53;

/** Where the longest line is cut. A number that begins before that is written whole, as whole words. */
const roomBytes = baseLimits.textBufferBytes + baseLimits.textLineBytes;
const numberBytes = 24;
const wordBytes = 4;

/** Text that is written repeatedly, as words of four chars, the first in the lowest byte. */
export class Constant {
  readonly length: number;
  readonly words: Int32Array;

  constructor(bytes: Uint8Array) {
    this.length = bytes.length;
    this.words = new Int32Array(Math.ceil(bytes.length / wordBytes));
    // All machines that this runs on are little-endian.
    new Uint8Array(this.words.buffer).set(bytes);
  }

  /** latin1. */
  get text(): string {
    return Buffer.from(this.words.buffer, 0, this.length).toString("latin1");
  }
}

export class ByteWriter {
  readonly bytes = new Uint8Array(new ArrayBuffer(roomBytes + numberBytes));
  length = 0;
  /** The same bytes. */
  readonly #view = new DataView(this.bytes.buffer);

  #takeBytes: (bytes: Uint8Array<ArrayBuffer>) => void;

  constructor(take: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#takeBytes = take;
  }

  /** Call between lines: hands over the bytes when there are enough. A line longer than the buffer is cut. */
  endLine(): void {
    if (this.length >= baseLimits.textBufferBytes) this.flush();
  }

  flush(): void {
    if (this.length > 0) this.#takeBytes(this.bytes.subarray(0, Math.min(this.length, roomBytes)));
    this.length = 0;
  }

  /** Nothing more fits before the next `endLine`. */
  get isFull(): boolean {
    return this.length >= roomBytes;
  }

  byte(value: number): void {
    this.bytes[this.length++] = value;
  }

  put({ words, length }: Constant): void {
    this.words(words, 0, length);
  }

  /** Writes so many bytes of `words`, in which the first of four is the lowest, from the word `from` on. */
  words(words: Int32Array, from: number, size: number): void {
    const view = this.#view;
    const start = this.length;
    const end = start + size;
    this.length = end;
    if (end <= roomBytes) {
      for (let at = start; at < end; at += wordBytes) view.setInt32(at, words[from++] ?? 0, true);
      return;
    }
    for (let at = start; at < roomBytes; at += wordBytes) view.setInt32(at, words[from++] ?? 0, true);
  }

  text(latin1: string): void {
    const { bytes, length } = this;
    const size = latin1.length;
    for (let at = 0; at < size; at++) bytes[length + at] = latin1.charCodeAt(at);
    this.length = length + size;
  }

  /** `size` bytes of `source`, up to the first NUL. */
  string(source: Uint8Array, offset: number, size: number): void {
    const { bytes } = this;
    const room = roomBytes - this.length;
    const end = offset + (size < room ? size : room);
    let to = this.length;
    for (let at = offset; at < end; at++) {
      const value = source[at] ?? 0;
      if (value === 0) break;
      bytes[to++] = value;
    }
    this.length = to;
  }

  /** All bytes of `source` from one place to another. */
  copy(source: Uint8Array, from: number, to: number): void {
    const { bytes } = this;
    const shift = this.length - from;
    for (let at = from; at < to; at++) bytes[at + shift] = source[at] ?? 0;
    this.length += to - from;
  }

  /** Writes 0 to 2^31 - 1. */
  small(value: number): void {
    if (value < 10) {
      this.bytes[this.length++] = zero + value;
      return;
    }
    if (this.isFull) return;
    if (value < 100) this.#pair(value);
    else if (value < 10_000) {
      const upper = hundreds(value);
      if (upper < 10) this.bytes[this.length++] = zero + upper;
      else this.#pair(upper);
      this.#pair(value - upper * 100);
    } else {
      const upper = tenThousands(value);
      this.small(upper);
      this.#four(value - upper * 10_000);
    }
  }

  /** Writes exactly this many digits, with leading zeros. 0 to 2^31 - 1. */
  digits(value: number, count: number): void {
    const { bytes } = this;
    const end = this.length + count;
    let rest = value | 0;
    for (let at = end - 1; at >= this.length; at--) {
      const tenth = (rest / 10) | 0;
      bytes[at] = zero + rest - tenth * 10;
      rest = tenth;
    }
    this.length = end;
  }

  /** Writes six digits, with leading zeros. */
  sixDigits(value: number): void {
    if (this.isFull) return;
    const upper = tenThousands(value);
    this.#pair(upper);
    this.#four(value - upper * 10_000);
  }

  #four(value: number): void {
    this.#view.setInt32(this.length, decimalWord(value), true);
    this.length += 4;
  }

  #pair(value: number): void {
    this.#view.setInt16(this.length, decimalPairs[value] ?? 0, true);
    this.length += 2;
  }

  /** Writes a whole number, 0 to 2^53. */
  decimal(value: number): void {
    if (value < 0x7fff_ffff) {
      this.small(value | 0);
      return;
    }
    const billions = Math.floor(value / 1e9);
    this.decimal(billions);
    this.digits(value - billions * 1e9, 9);
  }

  /** A u64 in two halves, in decimal. */
  unsigned64(high: number, low: number): void {
    if (high === 0 && low >= 0) {
      this.small(low);
      return;
    }
    const value = (high >>> 0) * two32 + (low >>> 0);
    if (value < two53) {
      this.decimal(value);
      return;
    }
    // Divided by hand, 16 bits at a time: a bigint costs several times as much.
    let billions = 0;
    let rest = 0;
    for (let part = 0; part < 4; part++) {
      const half = part < 2 ? high : low;
      const dividend = rest * 0x1_0000 + (part % 2 === 0 ? half >>> 16 : half & 0xffff);
      const quotient = Math.floor(dividend / 1e9);
      rest = dividend - quotient * 1e9;
      billions = billions * 0x1_0000 + quotient;
    }
    this.decimal(billions);
    this.digits(rest, 9);
  }

  /** An s64 in two halves, in decimal. */
  signed64(high: number, low: number): void {
    if ((high | 0) >= 0) {
      this.unsigned64(high, low);
      return;
    }
    this.byte(0x2d);
    const negatedLow = -low | 0;
    this.unsigned64(~high + (negatedLow === 0 ? 1 : 0), negatedLow);
  }

  signed32(value: number): void {
    if (value >= 0) {
      this.decimal(value);
      return;
    }
    this.byte(0x2d);
    this.decimal(-value);
  }

  /** A u64 in two halves, in hex without leading zeros. */
  hex(high: number, low: number, isUpperCase = false): void {
    if (this.isFull) return;
    const pairs = isUpperCase ? upperHexPairs : hexPairs;
    const view = this.#view;
    let at = this.length;
    if (high !== 0) {
      const zeros = Math.clz32(high) >> 2;
      const digits = high << (zeros * 4);
      view.setInt32(at, upperHexWord(pairs, digits), true);
      view.setInt32(at + wordBytes, lowerHexWord(pairs, digits), true);
      at += 8 - zeros;
      view.setInt32(at, upperHexWord(pairs, low), true);
      view.setInt32(at + wordBytes, lowerHexWord(pairs, low), true);
      this.length = at + 8;
    } else if (low >>> 0 < 10) {
      this.bytes[at] = zero + low;
      this.length = at + 1;
    } else {
      const zeros = Math.clz32(low) >> 2;
      const digits = low << (zeros * 4);
      view.setInt32(at, upperHexWord(pairs, digits), true);
      view.setInt32(at + wordBytes, lowerHexWord(pairs, digits), true);
      this.length = at + 8 - zeros;
    }
  }

  /** Writes two digits. */
  hexByte(value: number, isUpperCase = false): void {
    if (this.isFull) return;
    const pairs = isUpperCase ? upperHexPairs : hexPairs;
    this.#view.setInt16(this.length, pairs[value & 0xff] ?? 0, true);
    this.length += 2;
  }

  /** A u64 in two halves, in octal without leading zeros. */
  octal(high: number, low: number): void {
    let shift = 63;
    while (shift > 0 && octalDigit(high, low, shift) === 0) shift -= 3;
    for (; shift >= 0; shift -= 3) this.byte(zero + octalDigit(high, low, shift));
  }

  spaces(count: number): void {
    const room = roomBytes - this.length;
    const { bytes } = this;
    let to = this.length;
    for (let left = Math.min(count, room); left > 0; left--) bytes[to++] = space;
    this.length = to;
  }

  /** Pads what was written since `start` to `width` columns. */
  pad(start: number, width: number, left: boolean, fill = space): void {
    const missing = Math.min(width - (this.length - start), baseLimits.textWidth);
    if (missing <= 0) return;
    if (left) {
      this.spaces(missing);
      return;
    }
    this.bytes.copyWithin(start + missing, start, this.length);
    // Zeros go between the sign and the digits.
    const sign = fill === zero && this.bytes[start + missing] === 0x2d ? 1 : 0;
    if (sign === 1) this.bytes[start] = 0x2d;
    this.bytes.fill(fill, start + sign, start + missing + sign);
    this.length += missing;
  }
}

/** Makes a constant: text that is written repeatedly. */
export function constant(latin1: string): Constant {
  return new Constant(Buffer.from(latin1, "latin1"));
}
