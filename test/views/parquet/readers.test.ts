import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { partsOf } from "../../../src/trace-dat/parts.ts";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import { exporters } from "../../support/exporters.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { exportTables, filesIn, readers, type Rows } from "../../support/parquet.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-parquet-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

type JsonEvent = { cpu: number; time: number | bigint; pid: number; event: string; fields: Record<string, unknown> };

/** What `report --json` tells of the same file; integers as they are, also above 2^53. */
function jsonEvents(path: string): JsonEvent[] {
  const source = openTraceDat(path);
  const parts: Buffer[] = [];
  const [part] = partsOf([{ machine: "", source }]);
  if (part === undefined) throw new Error("no part");
  finishExport(exporters.json.begin([part], {}, (bytes) => parts.push(Buffer.from(bytes))));
  source.close();
  const lines = Buffer.concat(parts).toString("utf8").trimEnd().split("\n");
  return lines.flatMap((line) => {
    const whole = line.replaceAll(/([:[,])(-?\d{16,})(?=[,}\]])/g, '$1"~$2"');
    const event = JSON.parse(whole, (_, value: unknown) =>
      typeof value === "string" && value.startsWith("~") ? BigInt(value.slice(1)) : value,
    ) as JsonEvent;
    return "event" in event ? [{ ...event, time: BigInt(event.time) }] : [];
  });
}

/** As a cell of a table has it. */
function cellOf(value: unknown): unknown {
  if (typeof value === "number") return BigInt(value);
  if (typeof value === "string" && /^0x[0-9a-f]+$/.test(value)) return BigInt(value);
  return Array.isArray(value) ? `[${value.map(String).join(",")}]` : value;
}

describe.each([
  "linux-6.18-lost",
  "linux-6.12-syscalls",
  "linux-5.10",
  "big-endian-32",
  "utf-8",
  "case-9p",
  "linux-6.12-graph",
])("the tables of %s", (name) => {
  const folder = join(directory, name);
  let amount = "";
  beforeAll(async () => {
    const recordings = await openRecordings([fixturePath(name)]);
    ({ amount } = exportTables(folder, recordings.parts, { host: "h", date: "2026-11-30" }));
    recordings.close();
  });

  test("are read alike by three readers", async () => {
    for (const file of filesIn(folder)) {
      const path = join(folder, file);
      const rows = await readers.DuckDB(path);
      expect(await readers.hyparquet(path)).toEqual(rows);
      expect(await readers.arrow(path)).toEqual(rows);
    }
  });

  test("hold each event with the fields that report --json has", async () => {
    const events = jsonEvents(fixturePath(name));
    expect(amount).toStartWith(`${events.length} events, `);
    const byTable = new Map<string, Rows>();
    for (const file of filesIn(folder)) byTable.set(file.split("/")[0] ?? "", await readers.DuckDB(join(folder, file)));
    const taken = new Map<string, number>();
    for (const event of events) {
      const at = taken.get(event.event) ?? 0;
      taken.set(event.event, at + 1);
      const row = byTable.get(event.event)?.[at] ?? {};
      expect(row).toMatchObject({
        common_ts: event.time,
        common_cpu: BigInt(event.cpu),
        common_pid: BigInt(event.pid),
        ...Object.fromEntries(Object.entries(event.fields).map(([key, value]) => [key, cellOf(value)])),
      });
    }
    for (const [table, count] of taken) expect(byTable.get(table)).toHaveLength(count);
  });
});
