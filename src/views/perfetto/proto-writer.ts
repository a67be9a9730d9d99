/**
 * Protocol buffers, written field by field into one reused buffer. A message's length precedes it in a varint of a
 * fixed width (padded, as the format allows), so that nothing is moved when the length is known.
 */
const two32 = 2 ** 32;

const wireVarint = 0;
const wireBytes = 2;

export class ProtoWriter {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(capacity));
  }

  /** Call before a message: reserves room for this many bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = new Uint8Array(new ArrayBuffer(Math.max(this.bytes.length * 2, this.length + count)));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  /** Begins a message whose length fits `width` bytes (1: 127, 2: 16383, 3: 2 MiB, 4: 256 MiB); give the result to `end`. */
  begin(field: number, width: number): number {
    this.varint(field * 8 + wireBytes);
    this.length += width;
    return this.length;
  }

  end(start: number, width: number): void {
    const { bytes } = this;
    let rest = this.length - start;
    let at = start - width;
    for (; at < start - 1; at++) {
      bytes[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at] = rest & 0x7f;
  }

  /** A u32, as a bare varint. */
  varint(value: number): void {
    const { bytes } = this;
    let rest = value >>> 0;
    while (rest > 0x7f) {
      bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.length++] = rest;
  }

  /** A u64 in two halves, as a bare varint. */
  varint64(high: number, low: number): void {
    const { bytes } = this;
    let upper = high >>> 0;
    let lower = low >>> 0;
    while (upper !== 0) {
      bytes[this.length++] = (lower & 0x7f) | 0x80;
      lower = ((lower >>> 7) | (upper << 25)) >>> 0;
      upper >>>= 7;
    }
    this.varint(lower);
  }

  uint(field: number, value: number): void {
    this.varint(field * 8 + wireVarint);
    if (value < two32) this.varint(value);
    else this.varint64(Math.floor(value / two32), value);
  }

  uint64(field: number, high: number, low: number): void {
    this.varint(field * 8 + wireVarint);
    this.varint64(high, low);
  }

  /** Negative numbers take ten bytes. */
  int32(field: number, value: number): void {
    this.varint(field * 8 + wireVarint);
    this.varint64(value >> 31, value);
  }

  bigint(field: number, value: bigint): void {
    this.uint64(field, Number((value >> 32n) & 0xffff_ffffn), Number(value & 0xffff_ffffn));
  }

  bytesField(field: number, source: Uint8Array, offset = 0, size = source.length - offset): void {
    this.varint(field * 8 + wireBytes);
    this.varint(size);
    const { bytes, length } = this;
    for (let at = 0; at < size; at++) bytes[length + at] = source[offset + at] ?? 0;
    this.length = length + size;
  }

  text(field: number, text: string): void {
    this.bytesField(field, Buffer.from(text, "utf8"));
  }
}
