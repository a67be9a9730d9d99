import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTables } from "../../../src/views/parquet/folders.ts";
import { parquetLimits } from "../../../src/views/parquet/limits.ts";
import { NarrowColumn } from "../../../src/views/parquet/number-columns.ts";
import { SessionFiles } from "../../../src/views/parquet/session-files.ts";
import type { Table } from "../../../src/views/parquet/table.ts";
import { Scratch } from "../../../src/views/parquet/values.ts";
import { askDuckDb, filesIn } from "../../support/parquet.ts";

const folder = mkdtempSync(join(tmpdir(), "trace-agent-session-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const place = { date: "2026-11-30", host: "h", guest: "g", session: "s", segment: 1, buffer: "" };
const scratch = new Scratch();

function fill({ column, table }: { column: NarrowColumn; table: Table }, files: SessionFiles, rows: number): void {
  for (let value = 0; value < rows; value++) {
    const row = table.next;
    column.values[row] = value;
    table.rows = row + 1;
    files.added(table);
  }
}

function openNumbers(files: SessionFiles, name: string): { column: NarrowColumn; table: Table } {
  const column = new NarrowColumn("n", "int");
  return { column, table: files.open({ table: name, guest: "g" }, [column], false) };
}

test("of more tables that grow at once than files may be open all rows are written, in several files that all tell of the recording", async () => {
  const top = openTables(join(folder, "lake"), undefined, []);
  const files = new SessionFiles(top, place, { group: undefined, scratch, openMax: 2 });
  // A row group of each, which opens its file, and a row more.
  const rows = parquetLimits.groupRows + 1;
  for (const name of ["a", "b", "c"]) fill(openNumbers(files, name), files, rows);
  files.finish(({ table }) => new Map([["trace_agent.table", table]]));
  top.close();
  expect(filesIn(join(folder, "lake")).map((path) => `${path.split("/")[0]} ${path.split("/").at(-1)}`)).toEqual([
    "a s-001.2.parquet",
    "a s-001.parquet",
    "b s-001.parquet",
    "c s-001.parquet",
  ]);
  const all = `'${folder}/lake/*/*/*/*/*.parquet'`;
  const table = "regexp_extract(filename, 'lake/(.)/', 1) t";
  const counted = await askDuckDb(
    `select ${table}, count(*) n, max(n) m, sum(n) s from read_parquet(${all}, filename = true) group by t order by t`,
  );
  const sum = (BigInt(rows) * BigInt(rows - 1)) / 2n;
  expect(counted).toEqual(["a", "b", "c"].map((t) => ({ t, n: BigInt(rows), m: BigInt(rows - 1), s: sum })));
  const told = await askDuckDb(
    `select ${table.replace("filename", "file_name")}, decode(value) told from parquet_kv_metadata(${all}) order by file_name`,
  );
  expect(told).toEqual(["a", "a", "b", "c"].map((t) => ({ t, told: t })));
});

test("an export that fails takes away what it had ended early, and leaves what was there", () => {
  const lake = join(folder, "failing");
  const top = openTables(lake, undefined, []);
  const before = new SessionFiles(top, place, { group: undefined, scratch });
  fill(openNumbers(before, "b"), before, 1);
  before.finish(() => new Map());
  const files = new SessionFiles(top, place, { group: undefined, scratch, openMax: 1 });
  for (const name of ["a", "b", "c"]) fill(openNumbers(files, name), files, parquetLimits.groupRows + 1);
  expect(() =>
    files.finish(() => {
      throw new Error("no key-values");
    }),
  ).toThrow("no key-values");
  files.abandon();
  top.close();
  expect(filesIn(lake).map((path) => path.split("/")[0])).toEqual(["b"]);
});

describe("of many files", () => {
  const many = parquetLimits.singlySynced + 1;

  /** What stood under a name at each turn of the disk, and at the end. */
  function writeMany(name: string, tables: number): { syncs: number[]; end: number } {
    const lake = join(folder, name);
    const top = openTables(lake, undefined, []);
    const syncs: number[] = [];
    const sync = (): void => void syncs.push(filesIn(lake).length);
    const files = new SessionFiles(top, place, { group: undefined, scratch, sync, openMax: many });
    for (let number = 0; number < tables; number++) fill(openNumbers(files, `t${number}`), files, 1);
    files.finish(() => new Map());
    top.close();
    return { syncs, end: filesIn(lake).length };
  }

  test("the disk has all bytes before the first name, and all names at the end, in two turns", () => {
    expect(writeMany("two", many)).toEqual({ syncs: [0, many], end: many });
  });

  test("that may not be open at the same time the disk has the bytes of each part before its names", () => {
    expect(writeMany("parts", many * 2)).toEqual({ syncs: [0, many, many * 2], end: many * 2 });
  });

  test("a few are brought to the disk one by one, and not with all that others write", () => {
    expect(writeMany("few", many - 1)).toEqual({ syncs: [], end: many - 1 });
  });
});
