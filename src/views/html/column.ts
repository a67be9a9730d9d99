/** A column of a row: numbers as page-data.ts has them. */
import { pageLimits } from "./limits.ts";

const [low7, more] = [0x7f, 0x80];
/** Above it bits cannot be shifted as numbers. */
const two31 = 2 ** 31;

class GrowingBytes {
  #bytes = new Uint8Array(pageLimits.columnBytes);
  #length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  add(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const bytes = new Uint8Array(this.#bytes.length * 2);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
    }
    this.#bytes[this.#length++] = byte;
  }
}

export class Column {
  /** The first bytes of all numbers, the second bytes ... */
  readonly #planes: GrowingBytes[] = [];

  get bytes(): Uint8Array {
    return Buffer.concat(this.#planes.map(({ bytes }) => bytes));
  }

  /** A whole number from 0 to 2^53. */
  add(value: number): void {
    let place = 0;
    let left = value;
    for (; left >= two31; left = Math.floor(left / more)) this.#plane(place++).add((left % more) | more);
    for (; left > low7; left >>>= 7) this.#plane(place++).add((left & low7) | more);
    this.#plane(place).add(left);
  }

  /** One that may be negative: 0, -1, 1, -2, ... */
  addSigned(value: number): void {
    this.add(value < 0 ? -2 * value - 1 : 2 * value);
  }

  #plane(place: number): GrowingBytes {
    return (this.#planes[place] ??= new GrowingBytes());
  }
}
