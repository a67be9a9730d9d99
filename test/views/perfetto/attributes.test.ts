import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finishExport } from "../../../src/views/exporter.ts";
import { exporters } from "../../support/exporters.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { makeVcpus } from "../../support/made-vcpus.ts";
import { sessionParts } from "../../support/parquet.ts";
import { askTraces, findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import { testUnless } from "../../support/test-unless.ts";
import { openedGuest, openedHost } from "../vcpus/opened.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-attributes-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const traceProcessor = findTraceProcessor();
const reason = "reason" in traceProcessor ? traceProcessor.reason : undefined;

function exported(name: string, parts: ReturnType<typeof sessionParts>): string {
  const pieces: Buffer[] = [];
  finishExport(exporters.perfetto.begin(parts, {}, (bytes) => pieces.push(Buffer.from(bytes))));
  const path = join(directory, name);
  writeFileSync(path, Buffer.concat(pieces));
  return path;
}

testUnless(
  reason,
  "a trace says whose it is, as trace_processor shows it: of a machine, and of a host with its guest",
  () => {
    const folder = "folder" in traceProcessor ? traceProcessor.folder : "";
    const sql = "select name, str_value v from metadata where name like 'trace_attribute.trace_agent.%'";
    const attributes = (paths: readonly string[]): Record<string, unknown>[] =>
      askTraces(
        folder,
        paths.map((trace) => ({ trace, queries: [sql] })),
      ).map(([rows = []]) =>
        Object.fromEntries(
          rows.map((row) => [String(row["name"]).replace("trace_attribute.trace_agent.", ""), row["v"]]),
        ),
      );
    const source = openTraceDat(fixturePath("linux-6.18-lost"));
    const session = "20261130T080000Z";
    const lone = { machine: "vm\x01 é", source, segment: 7 };
    const ofLone = exported("lone.pftrace", sessionParts([lone]));
    source.close();
    const world = makeVcpus();
    const both = sessionParts([{ ...openedHost(world.host), kind: "host" }, openedGuest(world.guest)]);
    expect(attributes([ofLone, exported("both.pftrace", both)])).toEqual([
      { guest: "vm? é", session, segment: "7", date: "2026-11-30" },
      { guest: "host,vm1", session, segment: "1", date: "2026-11-30" },
    ]);
  },
  300_000,
);
