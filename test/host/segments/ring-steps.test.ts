/** A ring after its guest's clock stepped: what the step costs a snapshot, and for how long. */
import { afterAll, afterEach, beforeEach, expect, mock, setDefaultTimeout, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { recoverSession } from "../../../src/host/machines/finish-machines.ts";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { Ring } from "../../../src/host/segments/ring.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { SessionRecording } from "../../../src/trace-dat/session/session-file.ts";
import { StreamFile } from "../../../src/trace-dat/write/stream-file.ts";
import { CutSource } from "../../support/cut-source.ts";
import { sessionOf } from "../../support/fake-machines.ts";
import { numberedEvents, numbersIn } from "../../support/numbered.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";

setDefaultTimeout(60_000);
const MiB = 1024 * 1024;
const folder = mkdtempSync(`${tmpdir()}/ta-ring-steps-`);
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => mock.restore());

let count = 0;
let out = "";
let directory: SessionDirectory;
let ring: Ring;
let source: CutSource;
/** That our clock is further than it is. */
let laterMs = 0;
beforeEach(() => {
  out = `${folder}/${++count}`;
  directory = SessionDirectory.open(out, undefined);
  laterMs = 0;
  const now = performance.now.bind(performance);
  spyOn(performance, "now").mockImplementation(() => now() + laterMs);
});

/** `passesNs`: so much passes until it is now. */
function begin(lastMs: number, maxBytes: number, passesNs = 0n): void {
  ring = new Ring(new SegmentStore(directory, {}, { bytes: 0 }), {
    latencyMs: 1,
    past: false,
    stop: () => {},
    turn: () => Promise.resolve(source.tellCounters()),
    lastMs,
    maxBytes,
    afterMs: 0,
    everyMs: 0,
  });
  source = new CutSource(ring, directory, 1n);
  source.aheadNs = 7_200_000_000_000n;
  source.laterNs = 58_000_000_000n - passesNs;
  directory.newRecording(source.machine.entry, 1n, ring.openFile("vm1"));
  directory.save();
}

/** Round trips on either side of it. */
function receive(bytes: number): void {
  source.tellBurst();
  source.receive(bytes);
  source.tellBurst();
}

/** So long that all has come which was written before, and not so long that it is too old. */
function settle(): void {
  laterMs += 1000;
  source.laterNs += 1_000_000_000n;
  source.tellBurst();
}

function setBack(): void {
  source.aheadNs -= 3_600_000_000_000n;
}

/** Time stamps that are read for it. */
async function snapshot(): Promise<{ files: readonly string[]; stamps: number }> {
  const reading = spyOn(StreamFile.prototype, "readAt");
  const result = await ring.snapshot({ trigger: "command" });
  const stamps = reading.mock.calls.filter(([target]) => target.length === 8).length;
  reading.mockRestore();
  return { files: result.taken ? result.files.map(({ file }) => file) : [], stamps };
}

const subBuffersOf = (bytes: number): number => bytes / subBufferBytes;

function recordings(): readonly SessionRecording[] {
  return sessionOf({ out }).machines.flatMap((machine) => machine.recordings);
}

function expectPlaced({ offsetNs, boundNs = 0 }: SessionRecording = { file: "", state: "whole" }): void {
  expect(Math.abs(Number(BigInt(offsetNs ?? 0) - source.offsetNs))).toBeLessThanOrEqual(boundNs);
}

function numbersOf(file = ""): { first: number; last: number } {
  const opened = openTraceDat(`${out}/${file}`);
  try {
    const { faults, first, last } = numbersIn(opened).get(0) ?? { faults: ["none"], first: -1, last: -1 };
    expect(faults).toEqual([]);
    return { first, last };
  } finally {
    opened.close();
  }
}

test("a snapshot looks for a step where it was, and reads no other time stamps for it", async () => {
  begin(3_600_000, 16 * MiB);
  receive(4 * MiB);
  receive(source.pieceBytes);
  setBack();
  receive(source.pieceBytes);
  settle();
  receive(4 * MiB);
  const { files, stamps } = await snapshot();
  expect(files).toHaveLength(2);
  expect(stamps).toBeLessThan(subBuffersOf(2 * MiB));
  const [early, late] = files.map(numbersOf);
  expect([early?.first, late?.first]).toEqual([0, (early?.last ?? 0) + 1]);
  expect((early?.last ?? 0) + 1).toBe(subBuffersOf(4 * MiB + source.pieceBytes) * numberedEvents);
  expectPlaced(recordings().findLast(({ trigger }) => trigger !== undefined));
});

test("when a step is longer ago than a snapshot goes back nothing is read for it, and nothing of before is in it", async () => {
  begin(10_000, 16 * MiB, 61_000_000_000n);
  receive(MiB);
  setBack();
  receive(MiB);
  settle();
  source.laterNs += 60_000_000_000n;
  receive(4 * MiB);
  const { files, stamps } = await snapshot();
  expect(files).toHaveLength(1);
  expect(stamps).toBeLessThan(64);
  expect(numbersOf(files[0]).first).toBeGreaterThanOrEqual(subBuffersOf(MiB) * numberedEvents);
  expectPlaced(recordings()[0]);
});

test.each(["in a snapshot", "by who recovers it"])(
  "a ring that holds nothing of before a step is placed as its clock is now, %s",
  async (how) => {
    begin(3_600_000, MiB);
    receive(MiB);
    setBack();
    receive(MiB / 4);
    settle();
    receive(4 * MiB);
    if (how === "in a snapshot") expect((await snapshot()).files).toHaveLength(1);
    else {
      source.spool.close();
      directory.close();
      const recovering = recoverSession(out, undefined, { format: "v7", remove: false });
      expect(await recovering.catch(String)).toContain("the recorder was killed");
    }
    const files = recordings().filter(({ state }) => state !== "recording");
    expect(files).toHaveLength(1);
    expectPlaced(files[0]);
  },
);

test("round trips of what no snapshot holds any more are forgotten", async () => {
  begin(10_000, 16 * MiB, 1_000_000_000_000n);
  for (let burst = 0; burst < 100; burst++) {
    source.laterNs += 10_000_000_000n;
    receive(source.pieceBytes);
  }
  const { files } = await snapshot();
  const opened = openTraceDat(`${out}/${files[0]}`);
  const samples = opened.metadata.timeShift?.samples[0]?.length ?? 0;
  opened.close();
  expect(samples).toBeGreaterThan(1);
  expect(samples).toBeLessThan(20);
});
