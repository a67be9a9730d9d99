/** The directory of a session, as a user names it. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { openTables } from "../../../src/views/parquet/folders.ts";

test.each([
  ["a session", (path: string) => SessionDirectory.open(path, undefined)],
  ["tables", (path: string) => openTables(path, undefined, [])],
])("a new directory of %s may be named with slashes at its end, of which messages know nothing", (_, open) => {
  const base = mkdtempSync(`${tmpdir()}/ta-slash-`);
  const directory = open(`${base}/new//`);
  expect({ path: directory.path, isThere: existsSync(`${base}/new`) }).toEqual({ path: `${base}/new`, isThere: true });
  directory.close();
  rmSync(base, { recursive: true });
});
