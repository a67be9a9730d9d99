/** Little-endian bytes put together piece by piece. */

export class Bytes {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

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
    const part = Buffer.alloc(2);
    part.writeUInt16LE(value);
    return this.raw(part);
  }

  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    return this.raw(part);
  }

  u64(value: number | bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    return this.raw(part);
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
