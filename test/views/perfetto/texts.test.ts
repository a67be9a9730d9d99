import { expect, test } from "bun:test";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import { exporters } from "../../support/exporters.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";

function exported(fixture: string): Buffer {
  const source = openTraceDat(fixturePath(fixture));
  const parts: Buffer[] = [];
  finishExport(
    exporters.perfetto.begin([{ machine: "", buffer: "", source }], {}, (bytes) => parts.push(Buffer.from(bytes))),
  );
  source.close();
  return Buffer.concat(parts);
}

test.each([
  ["case-old-marker", "[Compositor] End reading timestamps"],
  ["case-arm32-bprint", "cluster=1 freq=1900000 raw_cpu_power=1259 load0=2 load1=6 load2=0 load3=1 power=112"],
  ["big-endian-32", "cluster=1 freq=1900000 raw_cpu_power=1259 load0=2 load1=6 load2=0 load3=1 power=112"],
  ["case-synthetic-string", "swapper/1"],
  ["utf-8", "café €"],
])("the trace for Perfetto of %s has the text %p, after its length", (fixture, text) => {
  const bytes = Buffer.from(text);
  const trace = exported(fixture);
  expect(trace.includes(Buffer.concat([Buffer.from([bytes.length]), bytes]))).toBe(true);
});

test.each([
  ["big-endian", "linux-6.12-lost"],
  ["big-endian-32", "case-arm32-bprint"],
  ["big-endian-v7", "buffers-v6"],
  ["v7-zlib", "linux-6.12-lost"],
])("the trace for Perfetto of %s is that of %s, byte for byte", (fixture, same) => {
  expect(exported(fixture).equals(exported(same))).toBe(true);
});
