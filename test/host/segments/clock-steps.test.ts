/** A guest whose clock steps while its recording is cut: no segment and no snapshot has events of before and after, and none is lost. */
import { afterAll, beforeEach, describe, expect, mock, setDefaultTimeout, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { recoverSession } from "../../../src/host/machines/finish-machines.ts";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { Ring } from "../../../src/host/segments/ring.ts";
import { Rotation } from "../../../src/host/segments/rotation.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { SessionRecording } from "../../../src/trace-dat/session/session-file.ts";
import { eventually } from "../../support/agent-process.ts";
import { CutSource } from "../../support/cut-source.ts";
import { sessionOf } from "../../support/fake-machines.ts";
import { numberedEvents, numbersIn } from "../../support/numbered.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";
import { eventsOf, expectApart as expectWithin, leave, recover } from "../machines/stepping-guest.ts";

setDefaultTimeout(60_000);
const folder = mkdtempSync(`${tmpdir()}/ta-cut-steps-`);
afterAll(() => rmSync(folder, { recursive: true }));

const MiB = 1024 * 1024;
const parts = { latencyMs: 1, past: false, stop: () => {} };
let count = 0;
let out = "";
let directory: SessionDirectory;
let source: CutSource;
let offsets: bigint[] = [];
beforeEach(() => {
  out = `${folder}/${++count}`;
  directory = SessionDirectory.open(out, undefined);
  offsets = [];
});

function rotating(clock?: string): Rotation {
  const turn = (): Promise<void> => Promise.resolve();
  const rotation = new Rotation(new SegmentStore(directory, {}, { bytes: 0 }), {
    ...parts,
    turn,
    every: { bytes: MiB / 4 },
  });
  source = new CutSource(rotation, directory, 1n, 0, clock);
  source.aheadNs = 5_000_000_000n;
  directory.newRecording(source.machine.entry, 1n, rotation.openFile("vm1"));
  directory.save();
  return rotation;
}

function newRing(clock?: string): Ring {
  const ring = new Ring(new SegmentStore(directory, {}, { bytes: 0 }), {
    ...parts,
    turn: () => Promise.resolve(source.tellCounters()),
    lastMs: 3_600_000,
    maxBytes: 16 * MiB,
    afterMs: 0,
    everyMs: 0,
  });
  source = new CutSource(ring, directory, 1n, 0, clock);
  source.aheadNs = 5_000_000_000n;
  return ring;
}

/** With round trips before and after. */
function receive(): void {
  source.tellBurst();
  source.receive(source.pieceBytes);
  source.tellBurst();
  if (offsets.at(-1) !== source.offsetNs) offsets.push(source.offsetNs);
}

/** The next segment begins behind all that came. */
async function cut(rotation: Rotation): Promise<void> {
  const taken = rotation.snapshot();
  let isTaken = false;
  void taken.then(() => (isTaken = true));
  await eventually(() => {
    rotation.turn(true);
    source.tellCounters();
    return isTaken;
  }, "it is cut");
}

async function end(rotation: Rotation): Promise<void> {
  source.end();
  expect(await rotation.finish(() => false)).toEqual([]);
  directory.save();
  directory.close();
}

/** As the kernel does when it ends a process: descriptors and locks go, files stay. */
async function killed(): Promise<void> {
  source.spool.close();
  directory.close();
  await recoverSession(out, undefined, { format: "v7", remove: false }).catch((error: unknown) =>
    expect(String(error)).toContain("the recorder was killed"),
  );
}

function files(): readonly SessionRecording[] {
  return sessionOf({ out }).machines.flatMap(({ recordings }) => recordings);
}

const eventsOfPiece = (): number => (source.pieceBytes / subBufferBytes) * numberedEvents;

/** Each event once, in so many recordings one after the other. */
async function expectNumbered(count: number, pieces: number): Promise<void> {
  const recordings = await openRecordings([out]);
  try {
    const found = recordings.parts.map(({ source }) => numbersIn(source).get(0));
    expect(found.flatMap((one) => one?.faults ?? [])).toEqual([]);
    expect(found.map((one) => one?.first)).toEqual([0, ...found.slice(0, -1).map((one) => (one?.last ?? 0) + 1)]);
    expect(found).toHaveLength(count);
    expect((found.at(-1)?.last ?? 0) + 1).toBe(pieces * eventsOfPiece());
  } finally {
    recordings.close();
  }
}

/** Each event once, in so many files of each era, which are read as one recording, and placed where its clock was. */
async function expectApart(filesOfEras: readonly number[], pieces: number): Promise<void> {
  const begins = filesOfEras.map((_, era) => filesOfEras.slice(0, era).reduce((sum, files) => sum + files, 0));
  expect(files().map(({ step }, index) => [index, step !== undefined])).toEqual(
    files().map((_, index) => [index, index > 0 && begins.includes(index)]),
  );
  await expectNumbered(filesOfEras.length, pieces);
  for (const [era, first] of begins.entries())
    for (const { offsetNs, boundNs } of files().slice(first, first + (filesOfEras[era] ?? 0))) {
      expect(Math.abs(Number(BigInt(offsetNs ?? 0) - (offsets[era] ?? 0n)))).toBeLessThanOrEqual(boundNs ?? 0);
      expect(boundNs).toBeLessThan(1_000_000);
    }
}

describe.each([
  ["forwards", 2_000_000_000n],
  ["back", -2_000_000_000n],
])("a clock that steps %s", (_, ns) => {
  test("within a segment divides it", async () => {
    const rotation = rotating();
    receive();
    source.aheadNs += ns;
    receive();
    await cut(rotation);
    receive();
    await end(rotation);
    await expectApart([1, 2], 3);
    expect(files()[0]?.reason).toBe("its clock stepped");
  });

  test("at a cut is told of the segment behind it", async () => {
    const rotation = rotating();
    receive();
    await cut(rotation);
    receive();
    await cut(rotation);
    source.aheadNs += ns;
    receive();
    await cut(rotation);
    receive();
    await end(rotation);
    await expectApart([2, 2], 4);
  });

  test.each(["before", "after"])("%s the round trips of a cut, when all of it has come, is behind it", async (when) => {
    const rotation = rotating();
    receive();
    void rotation.snapshot();
    await eventually(() => {
      rotation.turn(true);
      return source.wantsCounters;
    }, "they are asked for");
    if (when === "before") source.aheadNs += ns;
    source.tellBurst();
    source.tellCounters();
    if (when === "after") source.aheadNs += ns;
    receive();
    await end(rotation);
    await expectApart([1, 1], 2);
  });

  test("is known to who recovers what was cut, and what was not", async () => {
    const rotation = rotating();
    spyOn(SegmentStore.prototype, "write").mockImplementation(() => new Promise(() => {}));
    receive();
    await cut(rotation);
    source.aheadNs += ns;
    receive();
    source.aheadNs += ns / 2n;
    receive();
    await cut(rotation);
    receive();
    mock.restore();
    await killed();
    await expectApart([1, 1, 2], 4);
  });

  test("at the last cut of a recorder that was killed is known too", async () => {
    const rotation = rotating();
    receive();
    await cut(rotation);
    await eventually(() => {
      rotation.turn(true);
      return files().some(({ state }) => state === "whole");
    }, "it is written");
    source.aheadNs += ns;
    receive();
    await killed();
    await expectApart([1, 1], 2);
  });

  test("while a snapshot is gathered divides it", async () => {
    const ring = newRing();
    receive();
    const taken = ring.snapshot({ trigger: "command" });
    source.aheadNs += ns;
    receive();
    expect(await taken).toMatchObject({ taken: true, files: [{ machine: "vm1" }, { machine: "vm1" }] });
    source.end();
    await ring.finish();
    const [early, late, ...more] = files();
    expect([early?.step === undefined, late?.step === undefined, more]).toEqual([true, false, []]);
    await expectNumbered(2, 2);
  });
});

test("a snapshot has what came since a step that is known when all has come", async () => {
  const ring = newRing();
  source.tellBurst();
  // Further than cuts are behind what came.
  source.aheadNs += 120_000_000_000n;
  const taken = ring.snapshot({ trigger: "command" });
  receive();
  expect(await taken).toMatchObject({ taken: true, files: [{ machine: "vm1" }] });
  source.end();
  await ring.finish();
  await expectNumbered(1, 1);
});

describe("a clock that is set with the time of day, of which nothing tells,", () => {
  const hourNs = 3_600_000_000_000n;
  const steps = [hourNs, -hourNs];

  test("keeps nothing of what came from being cut", async () => {
    const rotation = rotating("tai");
    source.tellBurst();
    source.receive(source.pieceBytes);
    for (const ns of steps) {
      source.aheadNs += ns;
      source.receive(source.pieceBytes);
      await cut(rotation);
    }
    source.receive(source.pieceBytes);
    await end(rotation);
    expect(files().map(({ events }) => events)).toEqual([2, 1, 1].map((pieces) => pieces * eventsOfPiece()));
    await expectNumbered(1, 4);
  });

  test("keeps nothing from a snapshot", async () => {
    const ring = newRing("tai");
    source.tellBurst();
    source.receive(source.pieceBytes);
    for (const ns of steps) {
      source.aheadNs += ns;
      source.receive(source.pieceBytes);
      expect(await ring.snapshot({ trigger: "command" })).toMatchObject({ taken: true, files: [{ machine: "vm1" }] });
    }
    source.end();
    await ring.finish();
    const opened = files().map(({ file }) => openTraceDat(`${out}/${file}`));
    const found = opened.map((one) => numbersIn(one).get(0)?.events);
    for (const one of opened) one.close();
    expect(found).toEqual([2, 3].map((pieces) => pieces * eventsOfPiece()));
  });
});

const eras = [
  { from: 0, to: 1, ahead: 5 },
  { from: 1, to: 2, ahead: 7 },
  { from: 2, to: 3, ahead: 6 },
];

/** Within sub-buffers, too. */
test.each([1, 2, 3])(
  "who is killed as file %d is made divides it at the same places when it is made again",
  async (file) => {
    directory.close();
    leave(out, { eras, burstsAt: [0, 0.9, 1.1, 1.9, 2.1, 3], pieceBytes: 16_384 });
    let files = 0;
    spyOn(SegmentStore.prototype, "makeRoom").mockImplementation(() => {
      if (++files === file) throw new Error("killed");
      return true;
    });
    expect(await recover(out).catch((error: unknown) => String(error))).toContain("killed");
    mock.restore();
    await recover(out);
    await expectWithin(out, eras, eventsOf(eras));
  },
);
