import { describe, expect, test } from "bun:test";
import type { EventField } from "../../../src/events/event-format.ts";
import { EventRecord } from "../../../src/events/event-record.ts";
import { ArrayColumn } from "../../../src/views/parquet/array-column.ts";
import { Memory } from "../../../src/views/parquet/memory.ts";
import { TextColumn } from "../../../src/views/parquet/text-column.ts";
import { Scratch } from "../../../src/views/parquet/values.ts";

const scratch = new Scratch();
const rows = 2_048;

function made<T extends TextColumn>(column: T): T {
  column.resize(rows, new Memory({ bytes: 0 }));
  return column;
}

/** The texts of the first rows as a reader sees them, and whether there is a dictionary. */
function read(column: TextColumn, count: number): { texts: string[]; hasDictionary: boolean; ends: string[] } {
  const { plain, places, least, greatest } = column.encode(count, scratch);
  const texts: string[] = [];
  for (let at = 0; at < plain.length;) {
    const length = Buffer.from(plain).readUInt32LE(at);
    texts.push(Buffer.from(plain.subarray(at + 4, at + 4 + length)).toString("utf8"));
    at += 4 + length;
  }
  const ends = [least, greatest].map((end) => Buffer.from(end ?? []).toString("utf8"));
  if (places === undefined) return { texts, hasDictionary: false, ends };
  return { texts: [...places.at.subarray(0, count)].map((place) => texts[place] ?? "?"), hasDictionary: true, ends };
}

describe("a column of arrays", () => {
  const base = { name: "args", array: true, dynamic: "" as const, string: false, pointer: false, common: false };
  const field: EventField = {
    ...base,
    type: "unsigned long",
    offset: 4,
    size: 16,
    signed: false,
    elementSize: 8,
    long: true,
  };

  const recordOf = (first: bigint, second: bigint): EventRecord => {
    const bytes = Buffer.alloc(20);
    bytes.writeBigUInt64LE(first, 4);
    bytes.writeBigUInt64LE(second, 12);
    const record = new EventRecord();
    record.attach(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    record.size = 20;
    return record;
  };

  test("has each array's own numbers, however often and in whatever order arrays come, in each row group", () => {
    const column = made(new ArrayColumn(field, true));
    const numbers = (row: number): [bigint, bigint] => [
      BigInt(row % 700) * 0x1_0000_0001n,
      (1n << 64n) - 1n - BigInt(row % 3),
    ];
    for (let group = 0; group < 2; group++) {
      for (let row = 0; row < rows; row++) column.setArray(row, recordOf(...numbers(row + group)));
      const expected = Array.from({ length: rows }, (_, row) => `[${numbers(row + group).join(",")}]`);
      expect(read(column, rows).texts).toEqual(expected);
      column.clear();
    }
  });
});

describe("a column of texts", () => {
  const fill = (column: TextColumn, texts: readonly string[], encoding: "utf8" | "latin1" = "utf8"): void => {
    for (const [row, text] of texts.entries()) {
      const bytes = Buffer.from(text, encoding);
      column.set(row, bytes, 0, bytes.length);
    }
  };

  test("that differ in each row has them one by one, those that are no UTF-8 as latin1, with the least and the greatest", () => {
    const texts = Array.from({ length: rows }, (_, row) => `${String(row).padStart(5, "0")}é${"x".repeat(row % 70)}`);
    for (const encoding of ["utf8", "latin1"] as const) {
      const column = made(new TextColumn("text"));
      fill(column, texts, encoding);
      const found = read(column, rows);
      expect(found.texts).toEqual(texts);
      expect(found.hasDictionary).toBe(false);
      expect(found.ends).toEqual([texts[0] ?? "", texts.at(-1) ?? ""]);
    }
  });

  test("of which few differ has a dictionary, also in the row groups after one with many and long texts", () => {
    const column = made(new TextColumn("text"));
    fill(
      column,
      Array.from({ length: rows }, (_, row) => `${row}${"y".repeat(60)}`),
    );
    column.clear();
    for (let group = 0; group < 3; group++) {
      const texts = Array.from({ length: rows }, (_, row) => ["b", "a", "ab", ""][(row + group) % 4] ?? "");
      fill(column, texts);
      expect(read(column, rows)).toEqual({ texts, hasDictionary: true, ends: ["", "b"] });
      column.clear();
    }
  });
});
