/** Tables for tests: made in the process, and read by three readers that know nothing of each other, or asked by DuckDB. */
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import { tableFromIPC } from "@uwdata/flechette";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readParquet } from "parquet-wasm";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { partsOf, type RecordedAbout, type RecordedPart } from "../../src/trace-dat/parts.ts";
import { type ExportResult, finishExport } from "../../src/views/exporter.ts";
import { openTables } from "../../src/views/parquet/folders.ts";
import { parquetExporter } from "../../src/views/parquet/parquet-exporter.ts";
import type { GivenNames } from "../../src/views/recorded-names.ts";

export const sqlFolder = join(import.meta.dir, "../../src/views/parquet/sql");

/** A machine of a session: as it is read from a directory with a session.json. */
export type Machine = {
  machine: string;
  source: TraceSource;
  kind?: "host" | "guest";
  segment?: number;
  started?: string;
};

export const sessionStart = "2026-11-30T08:00:00.000Z";

export function sessionParts(machines: readonly Machine[]): RecordedPart[] {
  return partsOf(
    machines.map(({ machine, source, kind = "guest", segment = 1, started = sessionStart }) => {
      const file = segment === 1 ? `${machine}.dat` : `${machine}-${segment}.dat`;
      const times = { session: sessionStart, started };
      const about: RecordedAbout = { file, path: file, machine, kind, segment, ...times };
      return { machine, source, about };
    }),
  );
}

/** As `export --parquet`. */
export function exportTables(folder: string, parts: readonly RecordedPart[], names: GivenNames = {}): ExportResult {
  const directory = openTables(folder, undefined, []);
  try {
    return finishExport(parquetExporter.begin(parts, directory, { ...names, group: undefined }));
  } finally {
    directory.close();
  }
}

/** All files of tables, as paths below the folder. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".parquet"))
    .sort();
}

export type Cell = bigint | string | boolean | null;
export type Rows = Record<string, Cell>[];

/** Integers of any width are one kind here. */
function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return BigInt(value);
  if (typeof value === "bigint" || typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  throw new Error(`no cell: ${typeof value}`);
}

function rowsOf(objects: readonly object[]): Rows {
  return objects.map((object) =>
    Object.fromEntries(Object.entries(object).map(([key, value]) => [key, cellOf(value)])),
  );
}

const compressors = { ZSTD: (input: Uint8Array): Uint8Array => Bun.zstdDecompressSync(input) };

/** The rows of one file. arrow is Rust's, in parquet-wasm. */
export const readers: Readonly<Record<"DuckDB" | "hyparquet" | "arrow", (path: string) => Promise<Rows>>> = {
  DuckDB: (path) => askDuckDb(`select * from read_parquet('${path}', hive_partitioning = false)`),
  hyparquet: async (path) => rowsOf(await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors })),
  arrow: async (path) => {
    const stream = readParquet(readFileSync(path)).intoIPCStream();
    return Promise.resolve(rowsOf(tableFromIPC(stream, { useBigInt: true }).toArray() as object[]));
  },
};

let opened: Promise<DuckDBConnection> | undefined;

async function openDuckDb(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  return await instance.connect();
}

/** `folder`: the value of the variable "tables". All of a process's tests ask the same one. */
export async function askDuckDb(sql: string, folder = ""): Promise<Rows> {
  const connection = await (opened ??= openDuckDb());
  await connection.run(`set variable tables = '${folder}'`);
  const result = await connection.runAndReadAll(sql);
  return result
    .getRowObjects()
    .map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, plain(value)])));
}

/** Other values, of dates and fractions, as texts. */
function plain(value: DuckDBValue): Cell {
  if (typeof value === "number" && !Number.isInteger(value)) return String(value);
  return typeof value === "object" && value !== null ? (value as { toString: () => string }).toString() : cellOf(value);
}

export function askFile(name: string, folder: string): Promise<Rows> {
  return askDuckDb(readFileSync(join(sqlFolder, `${name}.sql`), "utf8"), folder);
}
