/** Texts one behind the other in their bytes: number n is from starts[n] to starts[n + 1]. No object is made for any of them. */
import { parquetLimits } from "./limits.ts";
import type { Scratch } from "./values.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Longer ones are copied by a call. */
const copiedByLoop = 48;

export class TextList {
  readonly size: number;
  readonly #bytes: Uint8Array;
  readonly #starts: Int32Array;

  constructor(bytes: Uint8Array, starts: Int32Array, size: number) {
    this.#bytes = bytes;
    this.#starts = starts;
    this.size = size;
  }

  /** Of all texts together. */
  get bytes(): number {
    return this.#starts[this.size] ?? 0;
  }

  /** In UTF-8: nearly always the bytes themselves; a text that is none is taken for latin1. */
  asUtf8(): TextList {
    const [bytes, starts, end] = [this.#bytes, this.#starts, this.bytes];
    let high = 0;
    for (let at = 0; at < end; at++) high |= bytes[at] ?? 0;
    if (high < 0x80) return this;
    const texts = Array.from({ length: this.size }, (_, place) =>
      utf8Of(bytes.subarray(starts[place], starts[place + 1])),
    );
    const all = new Int32Array(texts.length + 1);
    for (const [place, text] of texts.entries()) all[place + 1] = (all[place] ?? 0) + text.length;
    return new TextList(Buffer.concat(texts), all, texts.length);
  }

  /** Each with its length before it, as PLAIN is; `places`: these, as often as they come. */
  plain(scratch: Scratch, places?: Int32Array): Uint8Array {
    const [bytes, starts] = [this.#bytes, this.#starts];
    const count = places === undefined ? this.size : places.length;
    let total = places === undefined ? this.bytes : 0;
    if (places !== undefined)
      for (let index = 0; index < count; index++) {
        const place = places[index] ?? 0;
        total += (starts[place + 1] ?? 0) - (starts[place] ?? 0);
      }
    const size = total + 4 * count;
    const out = scratch.bytes(size);
    let to = 0;
    for (let index = 0; index < count; index++) {
      const place = places === undefined ? index : (places[index] ?? 0);
      const from = starts[place] ?? 0;
      const end = starts[place + 1] ?? 0;
      const length = end - from;
      out[to] = length & 0xff;
      out[to + 1] = (length >>> 8) & 0xff;
      out[to + 2] = (length >>> 16) & 0xff;
      out[to + 3] = length >>> 24;
      to += 4;
      if (length > copiedByLoop) {
        out.set(bytes.subarray(from, end), to);
        to += length;
      } else for (let at = from; at < end; at++) out[to++] = bytes[at] ?? 0;
    }
    return out.subarray(0, size);
  }

  /** Copies; undefined where one is too long to be told, and of no texts. */
  extremes(): [least: Uint8Array | undefined, greatest: Uint8Array | undefined] {
    let [least, greatest] = [0, 0];
    for (let place = 1; place < this.size; place++) {
      if (this.#isBefore(place, least)) least = place;
      else if (this.#isBefore(greatest, place)) greatest = place;
    }
    return [this.#told(least), this.#told(greatest)];
  }

  #told(place: number): Uint8Array | undefined {
    const [from = 0, end = 0] = [this.#starts[place], this.#starts[place + 1]];
    return place >= this.size || end - from > parquetLimits.statisticsBytes ? undefined : this.#bytes.slice(from, end);
  }

  /** By their bytes, the shorter of two that begin alike first. */
  #isBefore(one: number, other: number): boolean {
    const [bytes, starts] = [this.#bytes, this.#starts];
    let at = starts[one] ?? 0;
    let against = starts[other] ?? 0;
    const end = starts[one + 1] ?? 0;
    const againstEnd = starts[other + 1] ?? 0;
    while (at < end && against < againstEnd) {
      const [byte, second] = [bytes[at++] ?? 0, bytes[against++] ?? 0];
      if (byte !== second) return byte < second;
    }
    return at === end && against < againstEnd;
  }
}

function utf8Of(bytes: Uint8Array): Uint8Array {
  try {
    strict.decode(bytes);
    return bytes;
  } catch {
    return Buffer.from(Buffer.from(bytes).toString("latin1"), "utf8");
  }
}
