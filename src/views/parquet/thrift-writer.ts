/**
 * Thrift's compact protocol (doc/specs/thrift-compact-protocol.md of Apache Thrift), as far as Parquet's metadata needs it:
 * structs, lists, integers and byte strings, written into one buffer that grows.
 */
const two32 = 2 ** 32;

/** Types of fields and of elements. */
export const ThriftType = { true: 1, false: 2, byte: 3, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const;

export class ThriftWriter {
  #bytes = new Uint8Array(new ArrayBuffer(1024));
  length = 0;
  /** Number of the last field of each struct that is open. */
  readonly #last: number[] = [];

  /** Valid until the next write. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
    this.#last.length = 0;
  }

  /** A struct that is no field: the outermost one, or an element. `last`: of its fields those up to this one are written. */
  begin(last = 0): void {
    this.#last.push(last);
  }

  end(): void {
    this.#byte(0);
    this.#last.pop();
  }

  /** A struct as a field; end() ends it. */
  struct(field: number): void {
    this.#header(field, ThriftType.struct);
    this.begin();
  }

  bool(field: number, value: boolean): void {
    this.#header(field, value ? ThriftType.true : ThriftType.false);
  }

  byte(field: number, value: number): void {
    this.#header(field, ThriftType.byte);
    this.#byte(value);
  }

  /** An integer of up to 53 bits. */
  int(field: number, value: number, type: 5 | 6 = ThriftType.i32): void {
    this.#header(field, type);
    this.element(value);
  }

  int64(field: number, value: number): void {
    this.int(field, value, ThriftType.i64);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#header(field, ThriftType.binary);
    this.elementBytes(value);
  }

  text(field: number, value: string): void {
    this.bytes(field, Buffer.from(value, "utf8"));
  }

  /** The elements follow, by element(), elementBytes() or begin() and end(). */
  list(field: number, type: number, size: number): void {
    this.#header(field, ThriftType.list);
    this.listHead(type, size);
  }

  listHead(type: number, size: number): void {
    if (size < 15) this.#byte((size << 4) | type);
    else {
      this.#byte(0xf0 | type);
      this.varint(size);
    }
  }

  /** Zigzag: small numbers of either sign are short. */
  element(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  elementBytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** Bytes that were written by another writer. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.length);
    this.length += value.length;
  }

  varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= two32) {
      this.#bytes[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    rest >>>= 0;
    while (rest > 0x7f) {
      this.#bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.length++] = rest;
  }

  #header(field: number, type: number): void {
    const depth = this.#last.length - 1;
    const delta = field - (this.#last[depth] ?? 0);
    this.#last[depth] = field;
    if (delta > 0 && delta <= 15) this.#byte((delta << 4) | type);
    else {
      this.#byte(type);
      this.element(field);
    }
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
  }

  #reserve(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(new ArrayBuffer(Math.max(this.#bytes.length * 2, this.length + count)));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}
