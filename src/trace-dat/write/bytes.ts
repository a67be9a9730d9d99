/** Bytes put together piece by piece: little-endian ones, unless a file of another byte order is continued. */

const firstBytes = 64;
/** Of an option's size; and of that and its id. */
const [optionSizeBytes, optionHeadBytes] = [4, 6];

export class Bytes {
  readonly #littleEndian: boolean;
  /** One piece that grows: pieces of their own for 50,000 formats took four times their bytes. */
  #bytes: Buffer;
  #view: DataView;
  #length = 0;

  /** `bytes`: about so many are expected. */
  constructor(littleEndian = true, bytes = firstBytes) {
    this.#littleEndian = littleEndian;
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#bytes.buffer);
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
    if (typeof value === "bigint") this.#view.setBigUint64(at, BigInt.asUintN(64, value), this.#littleEndian);
    else this.#u64OfNumber(at, value);
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

  /** A whole option of a trace.dat: u16 id, u32 size, and what `put` appends. */
  option(id: number, put: (bytes: this) => void): this {
    this.u16(id).u32(0);
    const begin = this.#length;
    put(this);
    this.#view.setUint32(begin - optionSizeBytes, this.#length - begin, this.#littleEndian);
    return this;
  }

  /** Nothing is put behind them any more. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Positions and sizes are most of what is written: no BigInt is made for them. */
  #u64OfNumber(at: number, value: number): void {
    if (value < 0) return this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), this.#littleEndian);
    const [low, high] = [value % 2 ** 32, Math.floor(value / 2 ** 32)];
    this.#view.setUint32(at, this.#littleEndian ? low : high, this.#littleEndian);
    this.#view.setUint32(at + 4, this.#littleEndian ? high : low, this.#littleEndian);
  }

  /** Where so many bytes have room now. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length <= this.#bytes.length) return at;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
    return at;
  }
}

/** An option of a trace.dat: u16 id, u32 size, data. */
export function option(id: number, data: Uint8Array, littleEndian = true): Uint8Array {
  return new Bytes(littleEndian, data.length + optionHeadBytes).u16(id).u32(data.length).raw(data).take();
}
