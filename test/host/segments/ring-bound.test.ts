/** What a ring has on the disk while snapshots are taken of it: its pieces, and what it no longer needs and somebody reads. */
import { afterAll, beforeEach, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { Ring } from "../../../src/host/segments/ring.ts";
import { type Free, type Keep, SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { bytesUnder } from "../../support/bytes-under.ts";
import { CutSource } from "../../support/cut-source.ts";
import { numberedEvents, numbersIn } from "../../support/numbered.ts";
import { whyNoSmallDisk, withSmallDisk } from "../../support/small-disk.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";
import { testUnless } from "../../support/test-unless.ts";

setDefaultTimeout(300_000);
const MiB = 1024 * 1024;
const maxBytes = 2 * MiB;
const folder = mkdtempSync(`${tmpdir()}/ta-ring-`);
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
let directory: SessionDirectory;
let store: SegmentStore;
let ring: Ring;
/** What happens whenever the ports are served. */
let turn = (): void => {};
let sources: CutSource[] = [];
beforeEach(() => begin(`${folder}/${++count}`));

/** A recorder in a new directory. */
function begin(path: string, keep: Keep = {}, free: Free = { bytes: 0 }): void {
  directory = SessionDirectory.open(path, undefined);
  store = new SegmentStore(directory, keep, free);
  turn = () => {};
  sources = [];
  ring = new Ring(store, {
    latencyMs: 1,
    past: false,
    turn: () => {
      for (const source of sources) source.tellCounters();
      return Promise.resolve(turn());
    },
    stop: () => {},
    lastMs: 3_600_000,
    maxBytes,
    afterMs: 0,
    everyMs: 0,
  });
}

function newSource(traceId = 1n): CutSource {
  const source = new CutSource(ring, directory, traceId);
  sources.push(source);
  return source;
}

function numbersOf(file: string): { events: number; first: number; faults: string[] } | undefined {
  const opened = openTraceDat(`${directory.path}/${file}`);
  const numbers = numbersIn(opened).get(0);
  opened.close();
  return numbers;
}

test("the ring keeps its size while a snapshot is written, which has all that it was to have", async () => {
  const source = newSource();
  source.receive(2 * maxBytes);
  expect(source.diskBytes).toBeLessThanOrEqual(maxBytes + source.pieceBytes);
  const write = store.write.bind(store);
  let [most, read] = [0, 0];
  spyOn(store, "write").mockImplementation(async (...args) => {
    source.receive(3 * maxBytes);
    most = source.diskBytes;
    const written = await write(...args);
    read = source.diskBytes;
    return written;
  });
  const result = await ring.snapshot({ trigger: "command" });
  // The ring, and what the snapshot reads.
  expect(most).toBeGreaterThan(2 * maxBytes - 3 * source.pieceBytes);
  expect(most).toBeLessThanOrEqual(2 * (maxBytes + source.pieceBytes));
  // What was read goes at once: the last piece when the file is whole.
  expect(read).toBeLessThanOrEqual(maxBytes + 2 * source.pieceBytes);
  expect(source.diskBytes).toBeLessThanOrEqual(maxBytes + source.pieceBytes);
  // But for notes of a few lines.
  expect(Math.abs(ring.diskBytes - bytesUnder(directory.path))).toBeLessThan(8192);
  const numbers = numbersOf(result.taken ? (result.files[0]?.file ?? "") : "");
  expect(numbers?.faults).toEqual([]);
  expect(numbers?.events).toBeGreaterThan(((maxBytes - source.pieceBytes) / subBufferBytes) * numberedEvents);
});

test("what comes after the trigger does not drive out all that led to it", async () => {
  const source = newSource();
  source.receive(2 * maxBytes);
  const before = (2 * maxBytes * numberedEvents) / subBufferBytes;
  turn = () => source.receive(MiB);
  const result = await ring.snapshot({ trigger: "command" });
  const numbers = numbersOf(result.taken ? (result.files[0]?.file ?? "") : "");
  expect(numbers?.faults).toEqual([]);
  // A third of what the ring holds, at least.
  expect(before - (numbers?.first ?? before)).toBeGreaterThan(((maxBytes / 3) * numberedEvents) / subBufferBytes);
  expect(source.diskBytes).toBeLessThanOrEqual(maxBytes + source.pieceBytes);
});

test("what a guest left is there until it is recorded anew", async () => {
  const first = newSource();
  first.receive(MiB);
  first.end();
  const second = newSource(2n);
  ring.turn(true);
  expect(existsSync(first.spool.path)).toBe(true);
  const result = await ring.snapshot({ trigger: "guest-gone", machine: "vm1" });
  expect(result.taken && result.files.map(({ bytes }) => bytes > MiB)).toEqual([true]);
  second.receive(second.pieceBytes);
  ring.turn(true);
  expect(existsSync(first.spool.path)).toBe(false);
});

test("snapshots make room for a ring that grows: --keep bounds both", async () => {
  const keep = 4 * maxBytes;
  begin(`${folder}/${++count}`, { bytes: keep });
  const file = "vm1/20260101T000000Z-0001.dat";
  const entry = { file, number: 1, state: "whole", bytes: 3 * maxBytes, trigger: "command" } as const;
  directory.segments.place("vm1", file);
  store.add(directory.machine("vm1", "guest"), entry, undefined);
  writeFileSync(`${directory.path}/${file}`, "");
  truncateSync(`${directory.path}/${file}`, entry.bytes);
  const source = newSource();
  for (let most = 0; most <= 2 * maxBytes; most += source.pieceBytes) {
    source.receive(source.pieceBytes);
    expect(bytesUnder(directory.path)).toBeLessThanOrEqual(keep);
  }
  // It has its size all the same.
  expect(source.diskBytes).toBeGreaterThan(maxBytes - source.pieceBytes);
  expect(existsSync(`${directory.path}/${file}`)).toBe(false);
});

test("what a guest tells of itself counts for --keep, too", () => {
  const keep = 4 * maxBytes;
  begin(`${folder}/${++count}`, { bytes: keep });
  const source = new CutSource(ring, directory, 1n, 2.5 * maxBytes);
  for (let most = 0; most <= 2 * maxBytes; most += source.pieceBytes) {
    source.receive(source.pieceBytes);
    expect(bytesUnder(directory.path)).toBeLessThanOrEqual(keep);
  }
  expect(source.diskBytes).toBeGreaterThan(0);
});

testUnless(whyNoSmallDisk(), "no snapshot takes what is to stay free", async () => {
  await withSmallDisk("24m", async (disk) => {
    const free = 8 * MiB;
    begin(`${disk}/out`, {}, { bytes: free });
    const source = newSource();
    source.receive(2 * maxBytes);
    const bytesFree = (): number => statfsSync(disk).bavail * statfsSync(disk).bsize;
    writeFileSync(`${disk}/filler`, Buffer.alloc(bytesFree() - free - MiB));
    const result = await ring.snapshot({ trigger: "command" });
    expect(result).toMatchObject({ taken: false, reason: expect.stringContaining("--free") });
    expect(bytesFree()).toBeGreaterThanOrEqual(free);
    rmSync(`${disk}/filler`);
    expect(await ring.snapshot({ trigger: "command" })).toMatchObject({ taken: true });
    source.end();
    await ring.finish();
    directory.close();
  });
});
