import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTables } from "../../../src/views/parquet/folders.ts";
import { parquetLimits } from "../../../src/views/parquet/limits.ts";
import { NarrowColumn } from "../../../src/views/parquet/number-columns.ts";
import { SessionFiles } from "../../../src/views/parquet/session-files.ts";
import { Scratch } from "../../../src/views/parquet/values.ts";
import { askDuckDb, filesIn } from "../../support/parquet.ts";

const folder = mkdtempSync(join(tmpdir(), "trace-agent-session-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("of more tables that grow at once than files may be open all rows are written, in several files", async () => {
  const top = openTables(join(folder, "lake"), undefined, []);
  const place = { date: "2026-11-30", host: "h", guest: "g", session: "s", segment: 1, buffer: "" };
  const files = new SessionFiles(top, place, { group: undefined, scratch: new Scratch(), openMax: 2 });
  const tables = ["a", "b", "c"].map((table) => {
    const column = new NarrowColumn("n", "int");
    return { column, table: files.open({ table, guest: "g" }, [column], false) };
  });
  const last = parquetLimits.groupRows;
  // A row group of each, which opens its file, and a row more.
  for (const { column, table } of tables)
    for (let value = 0; value <= last; value++) {
      const row = table.next;
      column.values[row] = value;
      table.rows = row + 1;
      files.added(table);
    }
  files.finish(() => new Map());
  top.close();
  expect(filesIn(join(folder, "lake")).map((path) => `${path.split("/")[0]} ${path.split("/").at(-1)}`)).toEqual([
    "a s-001.2.parquet",
    "a s-001.parquet",
    "b s-001.parquet",
    "c s-001.parquet",
  ]);
  const counted = await askDuckDb(
    `select regexp_extract(filename, 'lake/(.)/', 1) t, count(*) n, max(n) m from read_parquet('${folder}/lake/*/*/*/*/*.parquet', filename = true) group by t order by t`,
  );
  expect(counted).toEqual(["a", "b", "c"].map((t) => ({ t, n: BigInt(last + 1), m: BigInt(last) })));
});
