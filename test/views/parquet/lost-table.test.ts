/** The rows of the table of losses. */
import { expect, test } from "bun:test";
import type { Column } from "../../../src/views/parquet/column.ts";
import { FlagColumn } from "../../../src/views/parquet/flag-column.ts";
import { LostTable } from "../../../src/views/parquet/lost-table.ts";
import { Memory } from "../../../src/views/parquet/memory.ts";
import { NarrowColumn, TimeColumn } from "../../../src/views/parquet/number-columns.ts";
import { Table } from "../../../src/views/parquet/table.ts";

/** What it then holds: by row cpu, begin, duration, count (NaN: null) and whether something is damaged. */
function rowsOf(tell: (lost: LostTable) => void): number[][] {
  const opened: { table: Table; columns: readonly Column[] }[] = [];
  const open = (table: string, columns: readonly Column[]): Table => {
    const made = new Table({ table, guest: "" }, columns, new Memory({ bytes: 0 }));
    opened.push({ table: made, columns });
    return made;
  };
  const lost = new LostTable({ epoch: 0n, utc: undefined }, { open, added: () => {} });
  tell(lost);
  lost.finish();
  const { table, columns } = opened[0]!;
  const at = (row: number, name: string): number => {
    const column = columns.find((one) => one.name === name);
    const holds = column instanceof TimeColumn || column instanceof NarrowColumn || column instanceof FlagColumn;
    return holds ? (column.values[row] ?? NaN) : NaN;
  };
  const names = ["cpu", "ts", "dur", "count", "damaged"];
  return Array.from({ length: table.rows }, (_, row) => names.map((name) => at(row, name)));
}

test("a loss lies between the CPU's events before and behind it; before its first it has no length", () => {
  const rows = rowsOf((lost) => {
    lost.gap(1, 100);
    lost.lost(1, 7, 150);
    lost.gap(0, NaN);
    lost.lost(0, -1, 180);
  });
  expect(rows).toEqual([
    [1, 100, 50, 7, 0],
    [0, 180, 0, NaN, 0],
  ]);
});

test("damage begins where the loss began in which it lies, and lasts to the end where nothing follows", () => {
  const rows = rowsOf((lost) => {
    lost.gap(1, 100);
    lost.damaged(1, 120);
    lost.gap(1, 130);
    lost.lost(1, 2, 150);
    lost.damaged(1, 160);
    lost.gap(0, 170);
  });
  expect(rows).toEqual([
    [1, 100, 50, 2, 1],
    [1, 160, NaN, NaN, 1],
  ]);
});
