/**
 * Text as bytes, made without strings: printing an event allocates nothing. The receiver is called with the bytes
 * whenever enough have been collected; they are valid only until it returns.
 */
import { baseLimits } from "./limits.ts";

const zero = 0x30;
const space = 0x20;
const lowerHex = 0x57;
const two32 = 2 ** 32;
const two53 = 2 ** 53;

export class ByteWriter {
  bytes = new Uint8Array(new ArrayBuffer(baseLimits.textBufferBytes + baseLimits.textLineBytes));
  length = 0;

  #takeBytes: (bytes: Uint8Array<ArrayBuffer>) => void;

  constructor(take: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#takeBytes = take;
  }

  /** Call between lines: hands over the bytes when there are enough. A line longer than the buffer is cut. */
  endLine(): void {
    if (this.length >= baseLimits.textBufferBytes) this.flush();
  }

  flush(): void {
    if (this.length > 0) this.#takeBytes(this.bytes.subarray(0, this.length));
    this.length = 0;
  }

  /** Nothing more fits before the next `endLine`. */
  get isFull(): boolean {
    return this.length >= this.bytes.length;
  }

  byte(value: number): void {
    this.bytes[this.length++] = value;
  }

  /** Writes a constant, made by `constant()`. */
  put(constant: Uint8Array): void {
    const { bytes, length } = this;
    const size = constant.length;
    for (let at = 0; at < size; at++) bytes[length + at] = constant[at] ?? 0;
    this.length = length + size;
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
    const room = bytes.length - this.length;
    const end = offset + (size < room ? size : room);
    let to = this.length;
    for (let at = offset; at < end; at++) {
      const value = source[at] ?? 0;
      if (value === 0) break;
      bytes[to++] = value;
    }
    this.length = to;
  }

  /** Writes 0 to 2^31 - 1. */
  small(value: number): void {
    if (value < 10) {
      this.bytes[this.length++] = zero + value;
      return;
    }
    let digits = 2;
    for (let limit = 100; digits < 10 && value >= limit; limit *= 10) digits++;
    this.digits(value, digits);
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

  /** Writes a whole number, 0 to 2^53. */
  decimal(value: number): void {
    if (value < 0x7fff_ffff) {
      this.small(value);
      return;
    }
    const billions = Math.floor(value / 1e9);
    this.decimal(billions);
    this.digits(value - billions * 1e9, 9);
  }

  /** A u64 in two halves, in decimal. */
  unsigned64(high: number, low: number): void {
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
  hex(high: number, low: number, letters = lowerHex): void {
    const { bytes } = this;
    const upper = high >>> 0;
    const count = upper !== 0 ? 16 - (Math.clz32(upper) >> 2) : Math.max(1, 8 - (Math.clz32(low) >> 2));
    let to = this.length;
    for (let nibble = count - 1; nibble >= 0; nibble--) {
      const digit = (nibble >= 8 ? upper >>> ((nibble - 8) * 4) : low >>> (nibble * 4)) & 15;
      bytes[to++] = digit < 10 ? zero + digit : letters + digit;
    }
    this.length = to;
  }

  hexByte(value: number): void {
    this.hex(0, value >>> 4);
    this.hex(0, value & 15);
  }

  octal(high: number, low: number): void {
    this.text(((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(8));
  }

  spaces(count: number): void {
    const room = this.bytes.length - this.length;
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
export function constant(latin1: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(latin1.length));
  for (let at = 0; at < latin1.length; at++) bytes[at] = latin1.charCodeAt(at);
  return bytes;
}
