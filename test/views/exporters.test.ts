/** What export.ts expects of every exporter in the table. */
import { describe, expect, test } from "bun:test";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { defaultOutput } from "../../src/views/export.ts";
import { type ExportResult } from "../../src/views/exporter.ts";
import type { Form } from "../../src/views/exporters.ts";
import { exporters } from "../support/exporters.ts";
import { fixturePath } from "../fixtures/fixtures.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainFile } from "../support/hostile-files.ts";

/** `stepsMax`: then a signal comes. */
function exported(form: Form, isFull: boolean, stepsMax = Infinity): { bytes: Buffer; result: ExportResult } {
  const source = openTraceDat(fixturePath("linux-6.12-lost"));
  const parts: Buffer[] = [];
  const exporting = exporters[form].begin([{ machine: "", buffer: "", source }], {}, (part) =>
    parts.push(Buffer.from(part)),
  );
  let steps = 0;
  while (steps < stepsMax && exporting.step(() => isFull)) steps++;
  const result = exporting.finish(stepsMax < Infinity ? "SIGINT" : undefined);
  source.close();
  return { bytes: Buffer.concat(parts), result };
}

describe.each(Object.keys(exporters) as Form[])("the exporter %s", (form) => {
  const whole = exported(form, false);

  test("writes the same bytes in one step and in many", () => {
    expect(exported(form, true).bytes.equals(whole.bytes)).toBe(true);
    expect(whole.bytes.length).toBeGreaterThan(100);
  });

  test("tells how much it wrote, and that nothing was damaged", () => {
    const { events } = countsOf("json");
    expect(whole.result).toEqual({
      isWhole: true,
      warnings: [],
      amount: `${events} events, 2916 lost before they were recorded`,
    });
  });

  test("ends early when it is told to, and says so", () => {
    const { bytes, result } = exported(form, true, 0);
    expect(bytes.length).toBeLessThan(whole.bytes.length);
    expect(result.warnings).toEqual([expect.stringMatching(/^ended by SIGINT: /)]);
  });
});

function countsOf(form: Form): { events: number } {
  const lines = exported(form, false).bytes.toString("latin1").trimEnd().split("\n");
  return { events: lines.filter((line) => line.includes('"event":')).length };
}

test("defaultOutput() is a file beside the recording for what has an ending, else stdout", async () => {
  expect(await defaultOutput(["dir/trace.dat"], "perfetto")).toBe("dir/trace.pftrace");
  expect(await defaultOutput(["trace.dat.spool/"], "perfetto")).toBe("trace.dat.spool.pftrace");
  expect(await defaultOutput(["trace.dat"], "json")).toBe("-");
});

test("a step ends with the line that is enough, however long that is", () => {
  const directory = mkdtempSync(join(tmpdir(), "ta-step-"));
  try {
    const path = join(directory, "wide.dat");
    writeFileSync(path, plainFile({}, undefined, `"${"%4000lu".repeat(200)}"${", REC->a".repeat(200)}`));
    const source = openTraceDat(path);
    let bytes = 0;
    const exporting = exporters.text.begin([{ machine: "", buffer: "", source }], {}, (part) => (bytes += part.length));
    expect(exporting.step(() => bytes > 0)).toBe(true);
    const first = bytes;
    expect(first).toBeGreaterThan(256 * 1024);
    while (exporting.step(() => bytes > first));
    exporting.finish();
    expect(bytes).toBeGreaterThan(first + 256 * 1024);
    source.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
