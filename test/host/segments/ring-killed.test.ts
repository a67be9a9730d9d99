/** A recorder with a ring that is killed when a snapshot is a file, and session.json does not name it yet. */
import { afterAll, expect, mock, setDefaultTimeout, spyOn, test } from "bun:test";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { finishLeft, recoverSession } from "../../../src/host/machines/finish-machines.ts";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { Ring } from "../../../src/host/segments/ring.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import type { SessionRecording } from "../../../src/trace-dat/session/session-file.ts";
import { eventually } from "../../support/agent-process.ts";
import { CutSource } from "../../support/cut-source.ts";
import { sessionOf } from "../../support/fake-machines.ts";
import { numberedEvents, numbersIn } from "../../support/numbered.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";

setDefaultTimeout(60_000);
const MiB = 1024 * 1024;
const folder = mkdtempSync(`${tmpdir()}/ta-ring-killed-`);
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

/** In a directory with a ring of 1 MiB, of which a snapshot is there. Returns the directory. */
async function killedAtTheFile(): Promise<string> {
  const out = `${folder}/${++count}`;
  const directory = SessionDirectory.open(out, undefined);
  const ring = new Ring(new SegmentStore(directory, {}, { bytes: 0 }), {
    latencyMs: 1,
    past: false,
    stop: () => {},
    turn: () => Promise.resolve(source.tellCounters()),
    lastMs: 3_600_000,
    maxBytes: 16 * MiB,
    afterMs: 0,
    everyMs: 0,
  });
  const source = new CutSource(ring, directory, 1n);
  directory.newRecording(source.machine.entry, 1n, ring.openFile("vm1"));
  directory.save();
  source.receive(MiB);
  const saving = spyOn(directory, "saveLater").mockImplementation(() => new Promise(() => {}));
  void ring.snapshot({ trigger: "command" });
  await eventually(() => saving.mock.calls.length > 0, "the snapshot is a file");
  mock.restore();
  // As the kernel does: descriptors and locks go, files stay.
  source.spool.close();
  directory.close();
  return out;
}

const recoveries = {
  "recover DIR": async (out: string) =>
    await recoverSession(out, undefined, { format: "v7", remove: false }).then(() => "nothing", String),
  "the next recorder": async (out: string) => {
    const directory = SessionDirectory.open(out, undefined);
    const missing = await finishLeft(directory, { format: "v7", remove: false }).finally(() => directory.close());
    return missing.join("; ");
  },
};

const recordingsOf = (out: string): readonly SessionRecording[] =>
  sessionOf({ out }).machines.flatMap(({ recordings }) => recordings);

test.each(Object.entries(recoveries))("%s lists it, beside what the ring holds", async (_, recover) => {
  const out = await killedAtTheFile();
  expect(recordingsOf(out).map(({ state }) => state)).toEqual(["recording"]);
  expect(await recover(out)).toContain("the recorder was killed");
  const [snapshot, rest, ...more] = recordingsOf(out);
  expect(more).toEqual([]);
  expect(snapshot).toMatchObject({ state: "whole", trigger: expect.stringContaining("killed"), number: 1 });
  expect(rest).toMatchObject({ state: "incomplete", number: 2 });
  for (const { file } of recordingsOf(out)) expect(existsSync(`${out}/${file}`)).toBeTrue();
  const recordings = await openRecordings([out]);
  try {
    const events = recordings.parts.map(({ source }) => numbersIn(source).get(0)?.events);
    expect(events).toEqual([1, 1].map(() => (MiB / subBufferBytes) * numberedEvents));
  } finally {
    recordings.close();
  }
});

test("a file of another recording, or of none, is left alone", async () => {
  const out = await killedAtTheFile();
  const foreign = "vm1/20200101T000000Z-0077.dat";
  copyFileSync(import.meta.path, `${out}/${foreign}`);
  expect(await recoveries["recover DIR"](out)).toContain("the recorder was killed");
  expect(recordingsOf(out).map(({ number }) => number)).toEqual([1, 2]);
  expect(existsSync(`${out}/${foreign}`)).toBeTrue();
});
