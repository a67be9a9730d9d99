/** What is said of an export for Perfetto that does not hold all. */
import { expect, test } from "bun:test";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";
import type { ExportResult } from "../../../src/views/exporter.ts";
import { PerfettoExport } from "../../../src/views/perfetto/perfetto-export.ts";

/** Of CPUs with one empty sub-buffer each. */
function exported(cpus: readonly number[], clock: string, dataBytes = 0): ExportResult {
  const bytes = new Uint8Array(256);
  new DataView(bytes.buffer).setUint32(8, dataBytes, true);
  const metadata = {
    layout: layoutOf(256, 8),
    formats: [],
    cpus: cpus.length,
    traceClock: `[${clock}]`,
    uname: "",
    cpuStats: [],
  };
  const open = () =>
    cpus.map((cpu) => {
      let left = 1;
      return { cpu, read: (target: Uint8Array) => (left-- > 0 ? (target.set(bytes), 256) : 0) };
    });
  const exporting = new PerfettoExport([{ metadata, cpus, open, close: () => {} }], () => {});
  while (exporting.step(() => false));
  return exporting.finish();
}

test("a clock that counts no ns is told, since Perfetto takes its times for ns", () => {
  expect(exported([0], "local")).toMatchObject({ warnings: [], isWhole: true });
  expect(exported([0], "counter").warnings).toEqual([
    'the clock "counter" does not count ns: durations in Perfetto will be wrong',
  ]);
});

test("CPUs from 1024 on are left out, which is told of a single one", () => {
  expect(exported([1023], "local").warnings).toEqual([]);
  expect(exported([0, 1024], "local").warnings).toEqual(["left out: 1 CPU, since Perfetto takes 1024"]);
});

test("what is damaged is told, and the trace is not whole", () => {
  expect(exported([0], "local", 4000)).toMatchObject({
    isWhole: false,
    warnings: ["1 sub-buffer could not be read to the end"],
  });
});
