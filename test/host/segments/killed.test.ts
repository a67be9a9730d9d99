/** What a recorder that rotates leaves when it is killed at the worst moment: nothing is lost, and nothing made twice. */
import { afterAll, afterEach, beforeEach, expect, mock, setDefaultTimeout, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { recoverSession } from "../../../src/host/machines/finish-machines.ts";
import { Rotation } from "../../../src/host/segments/rotation.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import { traceDatLimits } from "../../../src/trace-dat/limits.ts";
import { Spool } from "../../../src/trace-dat/spool/spool.ts";
import { eventually } from "../../support/agent-process.ts";
import { CutSource } from "../../support/cut-source.ts";
import { numberedEvents, numbersIn } from "../../support/numbered.ts";
import { sessionOf } from "../../support/fake-machines.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";

setDefaultTimeout(300_000);
const MiB = 1024 * 1024;
const folder = mkdtempSync(`${tmpdir()}/ta-killed-`);
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => mock.restore());

let count = 0;
let out = "";
let directory: SessionDirectory;
let rotation: Rotation;
let source: CutSource;
beforeEach(() => {
  out = `${folder}/${++count}`;
  directory = SessionDirectory.open(out, undefined);
  rotation = new Rotation(new SegmentStore(directory, {}, { bytes: 0 }), {
    every: { bytes: MiB },
    latencyMs: 1,
    past: false,
    turn: () => Promise.resolve(),
    stop: () => {},
  });
  source = new CutSource(rotation, directory, 1n);
  directory.newRecording(source.machine.entry, 1n, rotation.openFile("vm1"));
  directory.save();
});

/** As the kernel does when it ends a process: descriptors and locks go, files stay. */
function killed(): void {
  source.spool.close();
  directory.close();
}

async function recover(): Promise<void> {
  await recoverSession(out, undefined, { format: "v7", remove: false }).catch((error: unknown) =>
    expect(String(error)).toContain("the recorder was killed"),
  );
}

/** Events that the directory holds, each once. */
async function eventsIn(path: string): Promise<number> {
  const recordings = await openRecordings([path], { machines: ["vm1"] });
  try {
    const [part] = recordings.parts;
    const { events = 0, first, last = -1, faults } = (part && numbersIn(part.source).get(0)) ?? {};
    expect({ first, faults, events }).toEqual({ first: 0, faults: [], events: last + 1 });
    return events;
  } finally {
    recordings.close();
  }
}

const eventsOf = (bytes: number): number => (bytes / subBufferBytes) * numberedEvents;

/** Until a cut's file is there and session.json is to be written. */
async function atTheFile(): Promise<void> {
  const saving = spyOn(directory, "saveLater").mockImplementation(() => new Promise(() => {}));
  source.receive(2 * MiB);
  await eventually(() => {
    source.tellCounters();
    rotation.turn(true);
    return saving.mock.calls.length > 0;
  }, "a segment is written");
}

test("a file that session.json does not name yet is found, since its pieces are still there", async () => {
  await atTheFile();
  killed();
  expect(sessionFiles()).toEqual([]);
  await recover();
  expect(await eventsIn(out)).toBe(eventsOf(2 * MiB));
  expect(sessionFiles().every((file) => existsSync(`${out}/${file}`))).toBeTrue();
});

test("who is killed while it recovers makes nothing twice the next time", async () => {
  source.receive(MiB / 4);
  killed();
  const removing = spyOn(Spool.prototype, "remove").mockImplementation(function (this: Spool) {
    this.close();
  });
  await recover();
  removing.mockRestore();
  await recover();
  expect(sessionFiles()).toHaveLength(1);
  expect(await eventsIn(out)).toBe(eventsOf(MiB / 4));
  expect(existsSync(`${out}/.spool`)).toBeFalse();
});

test("who is killed as the spool goes leaves files that are all of the recording", async () => {
  source.receive(MiB / 4);
  source.end();
  let left: string[] = [];
  const remove = spyOn(Spool.prototype, "remove").mockImplementation(function (this: Spool) {
    left = sessionOf({ out }).machines.flatMap(({ recordings }) => recordings.map(({ state }) => state));
    this.close();
  });
  await rotation.finish(() => false);
  remove.mockRestore();
  directory.close();
  expect(left).toEqual(["whole"]);
  await recover();
  expect(sessionFiles()).toHaveLength(1);
  expect(await eventsIn(out)).toBe(eventsOf(MiB / 4));
});

test("cuts of weeks are as many lines as can be read", () => {
  const { spool } = source;
  const cuts = `${spool.path}/cuts`;
  let most = 0;
  const [file, started] = ["vm1/20260101T000000Z-0001.dat", "x".repeat(traceDatLimits.sessionTextChars)];
  for (let number = 1; number <= 1000; number++) {
    spool.addCut({ number, file, started, to: [[0, number * 4096]] });
    if (number > 1) spool.addCut({ done: number - 1 });
    most = Math.max(most, statSync(cuts).size);
  }
  expect(most).toBeLessThan(traceDatLimits.cutsGrownBytes + 64 * 1024);
  const { written, left } = spool.readCuts();
  expect([...written]).toEqual([[0, 999 * 4096]]);
  expect(left).toEqual([{ number: 1000, file, started, to: [[0, 1000 * 4096]] }]);
});

function sessionFiles(): string[] {
  if (!existsSync(`${out}/session.json`)) return [];
  const { recordings = [] } = sessionOf({ out }).machines[0] ?? {};
  return recordings.filter(({ state }) => state !== "recording").map(({ file }) => file);
}
