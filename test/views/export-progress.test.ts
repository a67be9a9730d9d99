/** The line that shows how far a long export is. */
import { expect, test } from "bun:test";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { ExportProgress } from "../../src/views/export-progress.ts";
import type { Form } from "../../src/views/exporters.ts";
import { exporters } from "../support/exporters.ts";
import { viewLimits } from "../../src/views/limits.ts";
import { fixturePath } from "../fixtures/fixtures.ts";

const forms = Object.keys(exporters) as Form[];

/** The percentage at the end of an export. */
function endPercentOf(fixture: string, form: Form, cpus?: number[]): number {
  const source = openTraceDat(fixturePath(fixture));
  try {
    const progress = new ExportProgress();
    const exporting = exporters[form].begin(progress.watch([{ machine: "", buffer: "", source }]), { cpus }, () => {});
    while (exporting.step(() => true));
    exporting.finish();
    return progress.percent;
  } finally {
    source.close();
  }
}

test.each(forms)("comes to 100 %% when %s is written, plain and packed, and where one CPU alone is read", (form) => {
  expect(endPercentOf("linux-6.12-lost", form)).toBe(100);
  expect(endPercentOf("v7-zstd", form)).toBe(100);
  // A page shows all CPUs.
  if (form !== "html") expect(endPercentOf("linux-6.12", form, [1])).toBe(100);
});

test.each(["linux-6.12", "v7-zstd"])("is 0 before, and 100 %% after all of %s was read", (fixture) => {
  const source = openTraceDat(fixturePath(fixture));
  const progress = new ExportProgress();
  const percents = [progress.percent];
  for (const reader of progress.watch([{ machine: "", buffer: "", source }])[0]?.source.open() ?? [])
    while (reader.read(new Uint8Array(4096)) > 0) percents.push(progress.percent);
  source.close();
  expect(percents[0]).toBe(0);
  expect(percents.at(-1)).toBe(100);
});

test("nothing is shown for a short export; a long one is shown now and then, and cleared", () => {
  const said: string[] = [];
  const source = openTraceDat(fixturePath("linux-6.12"));
  const beginMs = performance.now();
  const progress = new ExportProgress({ show: (text) => said.push(text), clear: () => said.push("") }, beginMs);
  for (const reader of progress.watch([{ machine: "", buffer: "", source }])[0]?.source.open() ?? [])
    while (reader.read(new Uint8Array(65_536)) > 0);
  source.close();
  progress.show(beginMs + viewLimits.progressAfterMs - 100);
  expect(said).toEqual([]);
  progress.show(beginMs + 5_000);
  progress.show(beginMs + 5_000 + viewLimits.progressEveryMs / 2);
  progress.show(beginMs + 7_000);
  progress.clear();
  expect(said).toEqual(["100 %, 5 s  (Ctrl-C ends it)", "100 %, 7 s  (Ctrl-C ends it)", ""]);
});
