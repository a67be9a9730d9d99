/** What columns of numbers and flags tell of their least and greatest values: readers skip by it what they look for. */
import { expect, test } from "bun:test";
import { FlagColumn } from "../../../src/views/parquet/flag-column.ts";
import { NarrowColumn, WideColumn } from "../../../src/views/parquet/number-columns.ts";
import { Scratch } from "../../../src/views/parquet/values.ts";

const scratch = new Scratch();

test.each([
  ["true alone", [1, 1], [1, 1]],
  ["false alone", [0, 0], [0, 0]],
  ["both", [0, 1], [0, 1]],
] as const)("a column of flags with %s", (_, values, expected) => {
  const column = new FlagColumn("flag");
  column.values = Uint8Array.from(values);
  const { least, greatest, plain } = column.encode(values.length, scratch);
  expect([least?.[0], greatest?.[0]]).toEqual([...expected]);
  expect(plain[0]).toBe(values[0] | (values[1] << 1));
});

test("numbers without a sign are in the order of what they are, those with one in theirs", () => {
  const bigOf = (bytes: Uint8Array | undefined): bigint | undefined =>
    bytes && new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  const numbers = [1n, 0xffff_ffff_8100_0000n, 5n];
  for (const [kind, least, greatest] of [
    ["uint", 1n, 0xffff_ffff_8100_0000n],
    ["int", 0xffff_ffff_8100_0000n, 5n],
  ] as const) {
    const column = new WideColumn("wide", kind);
    column.values = new Int32Array(BigUint64Array.from(numbers).buffer);
    const values = column.encode(numbers.length, scratch);
    expect([bigOf(values.least), bigOf(values.greatest)]).toEqual([least, greatest]);
    const narrow = new NarrowColumn("narrow", kind, kind === "uint");
    narrow.values = Int32Array.from([1, -2, 5]);
    const halves = narrow.encode(3, scratch);
    expect([bigOf(halves.least), bigOf(halves.greatest)]).toEqual(
      kind === "uint" ? [1n, 0xffff_fffen] : [0xffff_ffff_ffff_fffen, 5n],
    );
  }
});
