/** The numbers of segments: each is given once in the life of a session's directory. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";

test("numbers go on where they were when all segments were removed", () => {
  const folder = mkdtempSync(`${tmpdir()}/ta-segment-store-`);
  const path = `${folder}/out`;
  const storeOf = (directory: SessionDirectory): SegmentStore =>
    new SegmentStore(directory, { bytes: 1000 }, { bytes: 0 });
  try {
    const first = SessionDirectory.open(path, undefined);
    const { recordings } = first.machine("vm1", "guest");
    for (const number of [40, 41])
      recordings.push({ file: `vm1/20260101T000000Z-00${number}.dat`, number, state: "whole", bytes: 900, events: 5 });
    // Their files are not there, as if a user had removed them.
    expect(storeOf(first).number).toBe(42);
    first.save();
    first.close();

    const second = SessionDirectory.open(path, undefined);
    expect(storeOf(second).number).toBe(42);
    expect(second.file.machines).toMatchObject([
      { name: "vm1", recordings: [], removed: { recordings: 2, events: 10, number: 41 } },
    ]);
    second.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
