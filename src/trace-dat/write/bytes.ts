/** Bytes put together piece by piece: little-endian ones, unless a file of another byte order is continued. */

export class Bytes {
  readonly #littleEndian: boolean;
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  constructor(littleEndian = true) {
    this.#littleEndian = littleEndian;
  }

  get length(): number {
    return this.#length;
  }

  raw(part: Uint8Array): this {
    this.#parts.push(part);
    this.#length += part.length;
    return this;
  }

  u8(value: number): this {
    return this.raw(Uint8Array.of(value));
  }

  u16(value: number): this {
    const part = new DataView(new ArrayBuffer(2));
    part.setUint16(0, value, this.#littleEndian);
    return this.raw(new Uint8Array(part.buffer));
  }

  u32(value: number): this {
    const part = new DataView(new ArrayBuffer(4));
    part.setUint32(0, value, this.#littleEndian);
    return this.raw(new Uint8Array(part.buffer));
  }

  /** A negative one as its two's complement. */
  u64(value: number | bigint): this {
    const part = new DataView(new ArrayBuffer(8));
    part.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), this.#littleEndian);
    return this.raw(new Uint8Array(part.buffer));
  }

  /** Each char one byte. */
  text(text: string): this {
    return this.raw(Buffer.from(text, "latin1"));
  }

  /** Text up to its first NUL, and a NUL. */
  cString(text: string): this {
    const end = text.indexOf("\0");
    return this.text(`${end < 0 ? text : text.slice(0, end)}\0`);
  }

  take(): Uint8Array {
    return Buffer.concat(this.#parts, this.#length);
  }
}

/** An option of a trace.dat: u16 id, u32 size, data. */
export function option(id: number, data: Uint8Array, littleEndian = true): Uint8Array {
  return new Bytes(littleEndian).u16(id).u32(data.length).raw(data).take();
}
