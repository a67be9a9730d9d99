/** Reads the packed data of the page: page-data.ts tells its form. */
import { letters85, type PageHead } from "../page-data.ts";

export type Unpacked = { head: PageHead; columns: Uint8Array };

export async function unpack(text: string): Promise<Unpacked> {
  const packed = bytesOf(text);
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(plain).arrayBuffer());
  const length = new DataView(bytes.buffer).getUint32(0, true);
  // Only our own exporter writes it; its texts are clean, and are shown as texts.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as PageHead;
  return { head, columns: bytes.subarray(4 + length) };
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(128);
  for (let value = 0; value < letters85.length; value++) values[letters85.charCodeAt(value)] = value;
  const plain = text.replaceAll(/\s/g, "");
  const bytes = new Uint8Array(Math.floor((plain.length * 4) / 5));
  let at = 0;
  for (let from = 0; from < plain.length; from += 5) {
    let value = 0;
    // Letters that are not there count as the highest: what they stand for is cut off.
    for (let place = 0; place < 5; place++)
      value = value * 85 + (from + place < plain.length ? (values[plain.charCodeAt(from + place)] ?? 0) : 84);
    for (let shift = 24; shift >= 0 && at < bytes.length; shift -= 8)
      bytes[at++] = Math.floor(value / 2 ** shift) & 0xff;
  }
  return bytes;
}

/** The columns one after the other. */
export class ColumnReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Hands over the numbers of a column of so many. */
  read(count: number, take: (value: number, index: number) => void): void {
    const bytes = this.#bytes;
    let at = this.#at;
    const values = new Float64Array(count);
    /** Those that have more bytes. */
    const long = new Uint32Array(count);
    let longs = 0;
    for (let index = 0; index < count; index++) {
      const byte = bytes[at++] ?? 0;
      values[index] = byte & 0x7f;
      if (byte > 0x7f) long[longs++] = index;
    }
    for (let factor = 0x80; longs > 0; factor *= 0x80) {
      let left = 0;
      for (let place = 0; place < longs; place++) {
        const byte = bytes[at++] ?? 0;
        const index = long[place] ?? 0;
        values[index] = (values[index] ?? 0) + (byte & 0x7f) * factor;
        if (byte > 0x7f) long[left++] = index;
      }
      longs = left;
    }
    for (let index = 0; index < count; index++) take(values[index] ?? 0, index);
    this.#at = at;
  }
}

/** 0, -1, 1, -2, ... */
export function signed(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
