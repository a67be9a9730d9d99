/** What a column's rows become in a row group: values in their encoding, without null ones, and what is told of them. */

/** Types of parquet.thrift. */
const Physical = { boolean: 0, int32: 1, int64: 2, byteArray: 6 } as const;
type PhysicalType = (typeof Physical)[keyof typeof Physical];

/**
 * What a field's values are. Kernels declare a field with other sizes, which are one kind; where the kind itself differs, it is
 * another column. int32 is for our own columns.
 */
export type Kind = "int" | "uint" | "text" | "flag" | "int32";

export function physicalOf(kind: Kind): PhysicalType {
  if (kind === "text") return Physical.byteArray;
  if (kind === "flag") return Physical.boolean;
  return kind === "int32" ? Physical.int32 : Physical.int64;
}

export type Values = {
  /** How many are not null. */
  count: number;
  /** Undefined: none is null. By row 1 for a value, 0 for null. */
  present: Uint8Array | undefined;
  /** Encoded as PLAIN; of dictionary values the dictionary. Valid until the next column is encoded. */
  plain: Uint8Array;
  /** Of dictionary values: by value the place in the dictionary, which has so many. */
  places: { at: Int32Array; size: number } | undefined;
  /** Encoded as PLAIN, without a length; undefined where none is known. */
  least: Uint8Array | undefined;
  greatest: Uint8Array | undefined;
};

/** Memory that one column after the other is encoded in. It keeps the size of the largest so far. */
export class Scratch {
  #bytes = new Uint8Array(new ArrayBuffer(0));
  #page = new Uint8Array(new ArrayBuffer(0));
  #ints: Int32Array<ArrayBuffer>[] = [];

  bytes(count: number): Uint8Array<ArrayBuffer> {
    if (this.#bytes.length < count) this.#bytes = new Uint8Array(new ArrayBuffer(roomFor(count)));
    return this.#bytes;
  }

  /** For a page before it is packed. */
  page(count: number): Uint8Array<ArrayBuffer> {
    if (this.#page.length < count) this.#page = new Uint8Array(new ArrayBuffer(roomFor(count)));
    return this.#page;
  }

  /** `which`: arrays that are used together have numbers of their own. Their contents are what was left in them. */
  ints(which: number, count: number): Int32Array<ArrayBuffer> {
    const known = this.#ints[which];
    if (known !== undefined && known.length >= count) return known;
    return (this.#ints[which] = new Int32Array(new ArrayBuffer(4 * roomFor(count))));
  }
}

function roomFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1024, count)));
}
