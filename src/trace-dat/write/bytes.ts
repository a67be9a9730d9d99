/** Bytes put together piece by piece: little-endian ones, unless a file of another byte order is continued. */

const firstBytes = 64;

export class Bytes {
  readonly #littleEndian: boolean;
  /** One piece that grows: pieces of their own for 50,000 formats took four times their bytes. */
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #length = 0;

  constructor(littleEndian = true) {
    this.#littleEndian = littleEndian;
  }

  get length(): number {
    return this.#length;
  }

  raw(part: Uint8Array): this {
    const at = this.#grow(part.length);
    this.#bytes.set(part, at);
    return this;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, this.#littleEndian);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, this.#littleEndian);
    return this;
  }

  /** A negative one as its two's complement. */
  u64(value: number | bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), this.#littleEndian);
    return this;
  }

  /** Each char one byte. */
  text(text: string): this {
    const at = this.#grow(text.length);
    this.#bytes.write(text, at, "latin1");
    return this;
  }

  /** Text up to its first NUL, and a NUL. */
  cString(text: string): this {
    const end = text.indexOf("\0");
    return this.text(`${end < 0 ? text : text.slice(0, end)}\0`);
  }

  /** Nothing is put behind them any more. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get #view(): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
  }

  /** Where so many bytes have room now. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length <= this.#bytes.length) return at;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, at));
    this.#bytes = larger;
    return at;
  }
}

/** An option of a trace.dat: u16 id, u32 size, data. */
export function option(id: number, data: Uint8Array, littleEndian = true): Uint8Array {
  return new Bytes(littleEndian).u16(id).u32(data.length).raw(data).take();
}
