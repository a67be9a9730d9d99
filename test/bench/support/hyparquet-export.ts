/**
 * The peer of `export --parquet`: our reader, and hyparquet-writer's files of one table for each event, without the tables that are
 * made of events. hyparquet-export.ts FILE DIR
 */
import { ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
// The package names its types for node's part only where a bundler asks as node.
import { fileWriter } from "hyparquet-writer/src/node.js";
import type { EventType } from "../../../src/events/event-catalog.ts";
import type { EventRecord } from "../../../src/events/event-record.ts";
import { EventIterator } from "../../../src/timeline/event-iterator.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";

const groupRows = 100_000;
const compressors = { ZSTD: (bytes: Uint8Array): Uint8Array => Bun.zstdCompressSync(bytes, { level: 1 }) };

type Column = {
  name: string;
  type: "INT64" | "STRING";
  data: (bigint | string)[];
  read: (record: EventRecord) => bigint | string;
};

class Table {
  readonly #columns: Column[];
  #writer: ParquetWriter | undefined;
  readonly #path: string;

  constructor(path: string, columns: Column[]) {
    this.#path = path;
    this.#columns = columns;
  }

  add(record: EventRecord): void {
    for (const { data, read } of this.#columns) data.push(read(record));
    if (this.#columns[0]?.data.length === groupRows) this.#write();
  }

  finish(): void {
    this.#write();
    void this.#writer?.finish();
  }

  #write(): void {
    const columnData = this.#columns.map(({ name, type, data }) => ({ name, type, data, nullable: false }));
    this.#writer ??= new ParquetWriter({
      writer: fileWriter(this.#path),
      schema: schemaFromColumnData({ columnData }),
      codec: "ZSTD",
      compressors,
    });
    void this.#writer.write({ columnData, rowGroupSize: groupRows });
    for (const column of this.#columns) column.data = [];
  }
}

function columnsOf(kind: EventType, { catalog, epoch }: EventIterator): Column[] {
  const number = (name: string, read: (record: EventRecord) => bigint): Column => ({
    name,
    type: "INT64",
    data: [],
    read,
  });
  const text = (name: string, read: (record: EventRecord) => string): Column => ({
    name,
    type: "STRING",
    data: [],
    read,
  });
  const columns = [
    number("common_ts", ({ timestamp }) => epoch + BigInt(timestamp)),
    number("common_cpu", ({ cpu }) => BigInt(cpu)),
    number("common_pid", (record) => BigInt(catalog.pidOf(record))),
    text("common_comm", (record) => catalog.tasks.text(catalog.pidOf(record))),
  ];
  for (const { name, common, array, dynamic, offset, size } of kind.format.fields) {
    if (common) continue;
    const node = array || dynamic !== "" ? undefined : kind.number(name);
    if (node !== undefined)
      columns.push(number(name, (record) => (BigInt(node.high(record)) << 32n) | BigInt(node.low(record) >>> 0)));
    else
      columns.push(
        text(name, ({ bytes, at }) => {
          const part = bytes.subarray(at + offset, at + offset + size);
          const end = part.indexOf(0);
          return Buffer.from(end < 0 ? part : part.subarray(0, end)).toString("latin1");
        }),
      );
  }
  return columns;
}

const [file = "", folder = ""] = process.argv.slice(2);
const source = openTraceDat(file);
const events = new EventIterator(source);
const tables = new Map<EventType, Table>();
while (events.next()) {
  const { kind, record } = events;
  if (kind === undefined) continue;
  let table = tables.get(kind);
  if (table === undefined)
    tables.set(kind, (table = new Table(`${folder}/${kind.format.name}.parquet`, columnsOf(kind, events))));
  table.add(record);
}
for (const table of tables.values()) table.finish();
source.close();
