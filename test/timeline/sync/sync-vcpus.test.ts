/** `trace-agent sync` of recordings that do not say which threads of the host ran the guests' CPUs. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { vcpuCandidates, vcpuThreadsOf } from "../../../src/timeline/sync/machine-tasks.ts";
import { searchOffset } from "../../../src/timeline/sync/search-offset.ts";
import { type SyncedFile, syncFiles, type SyncOptions } from "../../../src/timeline/sync/sync-files.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { commonFields } from "../../support/common-fields.ts";
import { madeSource, madeStream } from "../../support/made-sub-buffers.ts";
import { inQuickForm } from "../../support/quick.ts";
import { headerPage, made, write } from "./made-files.ts";
import { madeRecording, metadata } from "./made-recording.ts";

let folder = "";
const folders: string[] = [];
beforeEach(() => void folders.push((folder = mkdtempSync(`${tmpdir()}/ta-vcpus-`))));
afterAll(() => folders.forEach((path) => rmSync(path, { recursive: true })));
const hostEpoch = 7_000_000_000_000n;
const guestEpoch = 300_000_000_000n;
const offset = { ns: hostEpoch - guestEpoch, boundNs: 400_000 };

/** A host and its guests, of two vCPUs each; `named`: what the host's list of tasks says. Gives their paths. */
function record(ran: readonly (readonly number[])[], named: readonly string[]): string[] {
  const all = ran.map((threads, index) => made(Infinity, 20 + index, threads, 1));
  const ofHost = [0, 1].map((cpu) => all.flatMap(({ host }) => host[cpu] ?? []).toSorted((a, b) => a.time - b.time));
  const { layout: _, ...rest } = madeRecording([]).metadata;
  const savedCommands = named.map((line) => `${line}\n`).join("");
  write(`${folder}/host.dat`, ofHost, hostEpoch, {
    metadata: { ...rest, headerPage, headerEvent: "x", savedCommands },
  });
  const guests = all.map(({ guest }, index) => {
    const path = `${folder}/vm${index + 1}.dat`;
    write(path, guest, guestEpoch + BigInt(index));
    return path;
  });
  return [`${folder}/host.dat`, ...guests];
}

function sync(paths: string[], offsets: SyncOptions["offsets"], directory: string): SyncedFile[] {
  return syncFiles({
    onStep: () => {},
    paths,
    directory: `${folder}/${directory}`,
    group: undefined,
    host: undefined,
    offsets,
    vcpus: new Map(),
  });
}

test.each([
  { how: "one after the other", first: [201, 202], second: [301, 302], quick: 0 },
  { how: "at once", first: [201, 203], second: [202, 204], quick: 1 },
])("several guests are placed by the threads that their events fit: QEMUs started $how", ({ first, second, quick }) => {
  const ran = [first, second];
  const named = ran.flatMap((threads) => threads.map((task, cpu) => `${task} CPU ${cpu}/KVM`));
  const paths = record(ran, named);
  const ways: SyncOptions["offsets"][] = [new Map(), new Map(["vm1", "vm2"].map((name) => [name, offset]))];
  // One of the two in the quick form.
  for (const offsets of inQuickForm(ways.slice(quick, quick + 1), ways)) {
    const out = `out${offsets.size}`;
    const [, ...guests] = sync(paths, offsets, out);
    expect(guests.map((guest) => guest.offset?.method)).toEqual(["causality", "causality"]);
    const host = openTraceDat(`${folder}/${out}/host.dat`);
    expect(host.metadata.guests?.map(({ tasks }) => tasks)).toEqual(ran);
    host.close();
  }
});

test("guests of which one thread runs all CPUs, as of QEMU's tcg,thread=single, are placed by that thread", () => {
  const ran = [
    [201, 201],
    [301, 301],
  ];
  const paths = record(ran, ["201 ALL CPUs/TCG", "301 ALL CPUs/TCG"]);
  const [, ...guests] = sync(paths, new Map(), "out");
  expect(guests.map((guest) => guest.offset?.method)).toEqual(["causality", "causality"]);
  const host = openTraceDat(`${folder}/out/host.dat`);
  expect(host.metadata.guests?.map(({ tasks }) => tasks)).toEqual(ran);
  host.close();
});

test("of a recording that is too long to be searched whole the beginning tells the offset", () => {
  const threads = [201, 202];
  const events = made(Infinity, 30, threads, 12);
  const host = madeRecording(events.host, hostEpoch);
  const guest = madeRecording(events.guest, guestEpoch);
  const firstFifth = events.host.flat().length / 5;
  const { known, reason } = searchOffset(host, guest, threads, firstFifth);
  expect(reason).toBe("");
  const { low = 0, high = 0 } = known?.range(0) ?? {};
  const truth = Number(offset.ns);
  expect([low < truth, truth < high]).toEqual([true, true]);
});

test("a guest whose events fit none of several guests' threads is not placed by them, and it is told what to give", () => {
  const paths = record([[201, 202]], ["401 CPU 0/TCG", "402 CPU 1/TCG", "501 CPU 0/TCG", "502 CPU 1/TCG"]);
  const give = "--vcpus vm1=TID,TID names them, of the host's threads (CPU 0: 401 or 501; CPU 1: 402 or 502)";
  const unknown = "the threads of its vCPUs are not known";
  expect(sync(paths, new Map(), "out")[1]?.offset).toEqual({
    method: "unknown",
    reason: `nothing tells it, and ${unknown}; ${give}`,
  });
  expect(sync(paths, new Map([["vm1", offset]]), "known")[1]?.offset).toMatchObject({
    method: "round trips",
    reason: `${unknown}; ${give}`,
  });
});

test("a host whose recording names no thread of a vCPU is told to", () => {
  expect(sync(record([[201, 202]], ["201 qemu-system-x86"]), new Map(), "out")[1]?.offset?.reason).toEndWith(
    '--vcpus vm1=TID,TID names them: the host\'s recording has no thread "CPU n/KVM" or "CPU n/TCG" (QEMU\'s -name NAME,debug-threads=on)',
  );
});

test("threads are named by the host's list of tasks, and by its switches where that lacks them", () => {
  const field = (text: string, at: number, size: number): string =>
    `\tfield:${text};\toffset:${at};\tsize:${size};\tsigned:1;`;
  const fields = [field("char next_comm[16]", 8, 16), field("pid_t next_pid", 24, 4)].join("\n");
  const format = `name: sched_switch\nID: 1\nformat:\n${commonFields}\n\n${fields}\n\nprint fmt: ""\n`;
  const switchTo = (time: number, task: number, name: string): { time: number; data: Buffer } => {
    const data = Buffer.alloc(28);
    data.writeUInt16LE(1, 0);
    data.write(name, 8, "latin1");
    data.writeInt32LE(task, 24);
    return { time, data };
  };
  const switches = [
    switchTo(10, 0, "swapper/0"),
    switchTo(20, 12, "CPU 1/TCG"),
    switchTo(30, 13, "CPU 1/TCGx"),
    switchTo(40, 12, "CPU 1/TCG"),
    switchTo(50, 15, "ALL CPUs/TCG"),
  ];
  const host = madeSource(
    { ...metadata, formats: [{ system: "sched", text: format }], savedCommands: "11 CPU 0/TCG\n14 cat\n0 CPU 0/TCG\n" },
    [madeStream(switches, 0n)],
  );
  expect(vcpuThreadsOf(host)).toEqual([
    { task: 11, cpu: 0 },
    { task: 12, cpu: 1 },
    { task: 15, cpu: "all" },
  ]);
});

test("a thread may belong to the last guest, or to the first, that lacks one of its number", () => {
  const threads = [
    { task: 1, cpu: 0 },
    { task: 2, cpu: 0 },
    { task: 3, cpu: 1 },
  ];
  expect(vcpuCandidates(threads, 2)).toEqual([
    [1, -1],
    [2, 3],
    [1, 3],
    [2, -1],
  ]);
  expect(vcpuCandidates(threads, 1)).toEqual([[1], [2]]);
  expect(vcpuCandidates([{ task: 4, cpu: "all" }, ...threads.slice(0, 1)], 2)).toEqual([
    [1, -1],
    [4, 4],
  ]);
  expect(vcpuCandidates([], 2)).toEqual([]);
});
