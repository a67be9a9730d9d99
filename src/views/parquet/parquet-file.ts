/**
 * One Parquet file (parquet.thrift and README.md of apache/parquet-format): flat columns that may be null, one zstd page of
 * version 1 per column and row group, PLAIN or RLE_DICTIONARY, which all readers know. Names of columns are told at the end.
 */
import type { Column } from "./column.ts";
import { bitWidth, hybridBytesMax, writeHybrid, writeRun } from "./hybrid-runs.ts";
import { parquetLimits } from "./limits.ts";
import { ThriftType, ThriftWriter } from "./thrift-writer.ts";
import { type Kind, physicalOf, type Scratch, type Values } from "./values.ts";

const magic = Buffer.from("PAR1", "latin1");
/** parquet.thrift: CompressionCodec, Encoding, PageType, FieldRepetitionType, ConvertedType. */
const zstd = 6;
const Encoding = { plain: 0, rle: 3, rleDictionary: 8 } as const;
const Page = { data: 0, dictionary: 2 } as const;
const optional = 1;
const Converted = { utf8: 0, uint64: 14 } as const;
const createdBy = "trace-agent";

export type Bytes = { write(bytes: Uint8Array): void };
export type ColumnHead = { name: string; kind: Kind };

/** A column's metadata in a row group, without its name, which stands between the two parts. */
type Chunk = { before: Uint8Array; after: Uint8Array };
type Group = { chunks: Chunk[]; rows: number; offset: number; bytes: number; packedBytes: number };

export class ParquetFile {
  rows = 0;
  #out: Bytes;
  readonly #groups: Group[] = [];
  readonly #thrift = new ThriftWriter();
  #position = 0;

  constructor(out: Bytes) {
    this.#out = out;
    this.#write(magic);
  }

  writeGroup(columns: readonly Column[], rows: number, scratch: Scratch): void {
    const group: Group = { chunks: [], rows, offset: this.#position, bytes: 0, packedBytes: 0 };
    for (const column of columns) this.#writeChunk(column.kind, column.encode(rows, scratch), group, scratch);
    this.#groups.push(group);
    this.rows += rows;
  }

  /** Bytes of all row groups, and of what stands before them. */
  get groupBytes(): number {
    const last = this.#groups.at(-1);
    return last === undefined ? magic.length : last.offset + last.packedBytes;
  }

  /** From now on, or for another end, it goes into a file that has its row groups already. */
  continueIn(out: Bytes): void {
    this.#out = out;
  }

  /** Ends the file. `names`: of the columns, in their order. */
  finish(columns: readonly ColumnHead[], keyValues: ReadonlyMap<string, string>): void {
    const thrift = this.#thrift;
    thrift.clear();
    thrift.begin();
    thrift.int(1, 1);
    thrift.list(2, ThriftType.struct, columns.length + 1);
    thrift.begin();
    thrift.text(4, "schema");
    thrift.int(5, columns.length);
    thrift.end();
    for (const column of columns) writeColumnHead(thrift, column);
    thrift.int64(3, this.rows);
    thrift.list(4, ThriftType.struct, this.#groups.length);
    const names = columns.map(({ name }) => Buffer.from(name, "utf8"));
    for (const group of this.#groups) writeGroupHead(thrift, group, names);
    thrift.list(5, ThriftType.struct, keyValues.size);
    for (const [key, value] of keyValues) {
      thrift.begin();
      thrift.text(1, key);
      thrift.text(2, value);
      thrift.end();
    }
    thrift.text(6, createdBy);
    // Without an order readers do not trust what is told of least and greatest values.
    thrift.list(7, ThriftType.struct, columns.length);
    for (const _ of columns) {
      thrift.begin();
      thrift.struct(1);
      thrift.end();
      thrift.end();
    }
    thrift.end();
    const { length } = thrift;
    this.#write(thrift.written);
    const tail = Buffer.alloc(8);
    tail.writeUInt32LE(length, 0);
    magic.copy(tail, 4);
    this.#write(tail);
  }

  #writeChunk(kind: Kind, values: Values, group: Group, scratch: Scratch): void {
    const { rows } = group;
    const { places, count, plain } = values;
    const start = this.#position;
    let bytes = places === undefined ? 0 : this.#writePage(Page.dictionary, plain, Encoding.plain, places.size);
    const dataAt = this.#position;
    const encoding = places === undefined ? Encoding.plain : Encoding.rleDictionary;
    bytes += this.#writePage(Page.data, this.#dataOf(values, rows, scratch), encoding, rows);
    const packedBytes = this.#position - start;
    group.bytes += bytes;
    group.packedBytes += packedBytes;
    const thrift = this.#thrift;
    thrift.clear();
    thrift.begin();
    thrift.int64(2, start);
    thrift.struct(3);
    thrift.int(1, physicalOf(kind));
    thrift.list(2, ThriftType.i32, 3);
    for (const one of [Encoding.plain, Encoding.rle, encoding]) thrift.element(one);
    // Its only element, the name, follows.
    thrift.list(3, ThriftType.binary, 1);
    const before = thrift.written.slice();
    thrift.clear();
    thrift.begin();
    thrift.begin(3);
    thrift.int(4, zstd);
    thrift.int64(5, rows);
    thrift.int64(6, bytes);
    thrift.int64(7, packedBytes);
    thrift.int64(9, dataAt);
    if (places !== undefined) thrift.int64(11, start);
    thrift.struct(12);
    thrift.int64(3, rows - count);
    if (values.greatest !== undefined) thrift.bytes(5, values.greatest);
    if (values.least !== undefined) thrift.bytes(6, values.least);
    thrift.end();
    thrift.end();
    thrift.end();
    group.chunks.push({ before, after: thrift.written.slice() });
  }

  /** Definition levels with their length before them, a run of ones where no value is null; then the values. */
  #dataOf({ places, count, present, plain }: Values, rows: number, scratch: Scratch): Uint8Array {
    const width = places === undefined ? 0 : Math.max(1, bitWidth(places.size));
    const levelBytes = present === undefined ? 16 : hybridBytesMax(rows, 1);
    const most = 5 + levelBytes + (places === undefined ? plain.length : hybridBytesMax(count, width));
    const page = scratch.page(most);
    let at = present === undefined ? writeRun(page, 4, 1, rows, 1) : writeHybrid(page, 4, present, rows, 1);
    new DataView(page.buffer).setUint32(0, at - 4, true);
    if (places === undefined) {
      page.set(plain, at);
      return page.subarray(0, at + plain.length);
    }
    page[at++] = width;
    return page.subarray(0, writeHybrid(page, at, places.at, count, width));
  }

  /** Returns the bytes of header and page as they were before zstd. */
  #writePage(type: number, bytes: Uint8Array, encoding: number, values: number): number {
    const packed = Bun.zstdCompressSync(bytes, { level: parquetLimits.zstdLevel });
    const thrift = this.#thrift;
    thrift.clear();
    thrift.begin();
    thrift.int(1, type);
    thrift.int(2, bytes.length);
    thrift.int(3, packed.length);
    thrift.struct(type === Page.dictionary ? 7 : 5);
    thrift.int(1, values);
    thrift.int(2, encoding);
    if (type === Page.data) {
      thrift.int(3, Encoding.rle);
      thrift.int(4, Encoding.rle);
    }
    thrift.end();
    thrift.end();
    const { length } = thrift;
    this.#write(thrift.written);
    this.#write(packed);
    return length + bytes.length;
  }

  #write(bytes: Uint8Array): void {
    this.#out.write(bytes);
    this.#position += bytes.length;
  }
}

function writeColumnHead(thrift: ThriftWriter, { name, kind }: ColumnHead): void {
  thrift.begin();
  thrift.int(1, physicalOf(kind));
  thrift.int(3, optional);
  thrift.text(4, name);
  if (kind === "text") thrift.int(6, Converted.utf8);
  if (kind === "uint") thrift.int(6, Converted.uint64);
  if (kind === "text" || kind === "uint") {
    // The same as a LogicalType: STRING, or an INTEGER of 64 bits without a sign.
    thrift.struct(10);
    thrift.struct(kind === "text" ? 1 : 10);
    if (kind === "uint") {
      thrift.byte(1, 64);
      thrift.bool(2, false);
    }
    thrift.end();
    thrift.end();
  }
  thrift.end();
}

function writeGroupHead(thrift: ThriftWriter, group: Group, names: readonly Uint8Array[]): void {
  thrift.begin();
  thrift.list(1, ThriftType.struct, names.length);
  for (const [index, { before, after }] of group.chunks.entries()) {
    thrift.raw(before);
    thrift.elementBytes(names[index] ?? new Uint8Array(0));
    thrift.raw(after);
  }
  thrift.int64(2, group.bytes);
  thrift.int64(3, group.rows);
  thrift.int64(5, group.offset);
  thrift.int64(6, group.packedBytes);
  thrift.end();
}
