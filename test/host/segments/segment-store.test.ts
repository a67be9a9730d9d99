/** The numbers of segments: each is given once in the life of a session's directory. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { hostLimits } from "../../../src/host/limits.ts";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { traceDatLimits } from "../../../src/trace-dat/limits.ts";
import { readSessionFile, sessionText } from "../../../src/trace-dat/session/session-file.ts";

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

test("a link in place of a machine's directory is refused, and its segments are not forgotten", () => {
  const folder = mkdtempSync(`${tmpdir()}/ta-segment-store-`);
  const path = `${folder}/out`;
  try {
    const directory = SessionDirectory.open(path, undefined);
    const recording = { file: "vm1/20260101T000000Z-0001.dat", number: 1, state: "whole" } as const;
    directory.machine("vm1", "guest").recordings.push(recording);
    symlinkSync(folder, `${path}/vm1`);
    const open = (): SegmentStore => new SegmentStore(directory, {}, { bytes: 0 });
    expect(open).toThrow(`cannot record to "${path}": vm1 in it is no directory`);
    expect(directory.file.machines[0]?.recordings).toEqual([recording]);
    directory.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("as many segments are kept as a session can tell of, whatever --keep says", () => {
  const folder = mkdtempSync(`${tmpdir()}/ta-segment-store-`);
  try {
    const directory = SessionDirectory.open(`${folder}/out`, undefined);
    const store = new SegmentStore(directory, {}, { bytes: 0 });
    const name = "v".repeat(hostLimits.machineNameBytes);
    const machine = directory.machine(name, "guest");
    const more = 3;
    for (let number = 1; number <= hostLimits.segmentsMax + more; number++) {
      const [time, ns] = ["2026-01-01T00:00:00.000Z", `${2n ** 62n}`];
      const file = `${name}/20260101T000000Z-${`${number}`.padStart(4, "0")}.dat`;
      const facts = {
        file,
        state: "whole",
        traceId: ns,
        started: time,
        ended: time,
        bytes: 2 ** 40,
        events: 2 ** 40,
      } as const;
      const times = { from: ns, to: ns, clock: "mono_raw", first: ns, last: ns, offsetNs: `-${ns}`, boundNs: 12_345 };
      store.add(machine, { ...facts, number, ...times }, undefined);
    }
    expect(store.makeRoom(0, 0)).toBeTrue();
    const { recordings, removed } = machine;
    expect([recordings.length, recordings[0]?.number, removed?.recordings]).toEqual([
      hostLimits.segmentsMax,
      more + 1,
      more,
    ]);
    const text = Buffer.from(sessionText(directory.file));
    expect(text.length).toBeLessThan(traceDatLimits.sessionBytes);
    expect(readSessionFile(text, "session.json").machines[0]?.recordings.length).toBe(hostLimits.segmentsMax);
    directory.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a bound that has no room beside what machines told is refused while they begin, names one that has, and removes nothing", () => {
  const folder = mkdtempSync(`${tmpdir()}/ta-segment-store-`);
  const MiB = 1024 * 1024;
  const file = "vm1/20260101T000000Z-0001.dat";
  const open = (keep: number): { directory: SessionDirectory; store: SegmentStore } => {
    const directory = SessionDirectory.open(`${folder}/${keep}`, undefined);
    const store = new SegmentStore(directory, { bytes: keep }, { bytes: 0 });
    directory.segments.place("vm1", file);
    writeFileSync(`${directory.path}/${file}`, "");
    store.add(directory.machine("vm1", "guest"), { file, number: 1, state: "whole", bytes: MiB }, undefined);
    return { directory, store };
  };
  const there = ({ directory }: { directory: SessionDirectory }): boolean => existsSync(`${directory.path}/${file}`);
  const told = 7 * MiB + 1;
  try {
    const small = open(7 * MiB);
    small.store.keepWithin(0, 0, 0, true); // None has told of itself yet.
    const begins = (): void => small.store.keepWithin(0, told, told, false);
    expect(begins).toThrow("--keep has no room for events beside 7340033 bytes that the machines told of themselves");
    expect(there(small)).toBe(true);
    small.directory.close();

    // What it names is enough: a margin, a quarter that is received, a quarter that is written.
    const enough = open(19 * MiB);
    const margin = (19 * MiB) / 8;
    enough.store.keepWithin(margin, told, told, false);
    expect(enough.store.makeRoom(margin, told + (19 * MiB) / 2)).toBe(true);
    // Of a machine that comes later it is told: the others go on.
    enough.store.keepWithin(margin, told, told, true);
    enough.store.keepWithin(margin, 3 * told, 3 * told, true);
    expect(there(enough)).toBe(false);
    enough.directory.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
