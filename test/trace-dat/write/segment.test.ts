/** A segment is the same file, with the same counts, whether the kernel copies its data or they go through memory. */
import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OutputFile } from "../../../src/base/output-file.ts";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";
import { isOnPlainDisk } from "../../../src/trace-dat/write/plain-disk.ts";
import type { RecordedStream } from "../../../src/trace-dat/write/recording.ts";
import { packTables } from "../../../src/trace-dat/write/packed-tables.ts";
import { traceDatLimits } from "../../../src/trace-dat/limits.ts";
import { type ReadData, writeSegment } from "../../../src/trace-dat/write/segment.ts";
import { chunkSize, readInBlocks, readStream } from "../../../src/trace-dat/write/stream-file.ts";
import { type StreamTimes, TimesSeen, timesOf } from "../../../src/trace-dat/write/stream-times.ts";
import type { CpuTally } from "../../../src/trace-dat/write/write.ts";

const layout = layoutOf(4096, 8);
const directory = mkdtempSync(join(tmpdir(), "ta-segment-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** One event, of 1 to 28 words. */
function subBuffer(index: number): Uint8Array {
  const bytes = new Uint8Array(layout.sizeBytes);
  const view = new DataView(bytes.buffer);
  const words = 1 + (index % 28);
  view.setBigUint64(0, BigInt(index), true);
  view.setBigUint64(8, BigInt(4 + 4 * words), true);
  view.setUint32(16, words, true);
  return bytes.fill(index % 251, 20, 20 + 4 * words);
}

/** 300 sub-buffers in pieces of 64, from the third on; the first of them has changed since. */
const pieceBytes = 64 * layout.sizeBytes;
for (let piece = 0; piece * 64 < 300; piece++) {
  const held = Array.from({ length: Math.min(64, 300 - piece * 64) }, (_, at) => subBuffer(piece * 64 + at));
  writeFileSync(join(directory, `cpu1.${piece}`), Buffer.concat(held));
}
const streams: RecordedStream[] = [
  { cpu: 0, path: "none", skipBytes: 0, bytes: 0 },
  {
    cpu: 1,
    path: join(directory, "cpu1.*"),
    skipBytes: 2 * layout.sizeBytes,
    bytes: 298 * layout.sizeBytes,
    pieces: { pieceBytes, open: (piece) => openSync(join(directory, `cpu1.${piece}`), "r") },
    first: subBuffer(1000),
  },
];

const metadata = { uname: "test", cpus: 2, formats: [], cpuStats: [], traceClock: "[mono_raw]" };
const tables = await packTables(metadata);

type Written = { bytes: Buffer; cpus: readonly CpuTally[]; times: StreamTimes | undefined };

function write(name: string, counted: boolean, isPlain: boolean): Written {
  const path = join(directory, name);
  const file = new OutputFile(path);
  try {
    const recording = { metadata, layout, cpus: 2, streams, version: "test", traceId: 7n };
    let times: StreamTimes | undefined;
    const told = (read: ReadData): { cpuStats: [] } => {
      ({ times } = read);
      return { cpuStats: [] };
    };
    const writing = writeSegment(file, { recording, tables, counted, told }, isPlain);
    for (;;) {
      const step = writing.next();
      if (step.done !== true) continue;
      file.finish();
      return { bytes: readFileSync(path), cpus: step.value, times };
    }
  } finally {
    file.abandon();
  }
}

test("one look at the data, or two: the same file and the same counts", () => {
  const [once, twice] = [write("once", true, true), write("twice", true, false)];
  expect(once.cpus.map(({ events, bytes, damaged }) => ({ events, bytes, damaged }))).toEqual([
    { events: 0, bytes: 0, damaged: 0 },
    { events: 298, bytes: 298 * layout.sizeBytes, damaged: 0 },
  ]);
  expect(once.cpus).toEqual(twice.cpus);
  expect(once.bytes.equals(twice.bytes)).toBe(true);
  expect([once.times, twice.times]).toEqual([timesOf(streams, layout), timesOf(streams, layout)]);
  for (const index of [1000, 3, 63, 64, 299]) expect(once.bytes.includes(subBuffer(index))).toBe(true);
});

test("a snapshot, whose events are not counted, has the same data", () => {
  const [plain, shared] = [write("plain", false, true), write("shared", false, false)];
  expect(plain.bytes.equals(shared.bytes)).toBe(true);
  expect(plain.bytes.equals(write("counted", true, true).bytes)).toBe(true);
  expect(plain.cpus.map(({ events }) => events)).toEqual([0, 0]);
});

test("times that are seen as the data pass are those that are read for themselves, however the data are divided", () => {
  const held = Buffer.concat([subBuffer(40), subBuffer(50), subBuffer(60)]);
  for (const bytes of [0, 100, 4096, 4096 + 100, 3 * 4096 - 8, 3 * 4096]) {
    const path = join(directory, `times${bytes}`);
    writeFileSync(path, held.subarray(0, bytes));
    const stream = { cpu: 0, path, skipBytes: 0, bytes };
    for (const size of [4096, 2 * 4096, 3 * 4096]) {
      const seen = new TimesSeen(stream, layout);
      for (let at = 0; at < bytes; at += size) seen.see(held.subarray(at, Math.min(bytes, at + size)));
      expect(seen.times).toEqual(timesOf([stream], layout));
    }
  }
});

test("data are written in blocks that end where the file's own begin, in whole sub-buffers", () => {
  const stream = { cpu: 0, path: join(directory, "cpu0"), skipBytes: 0, bytes: 40 * 60 * 1024 };
  const held = new Uint8Array(stream.bytes).map((_, index) => index % 251);
  writeFileSync(stream.path, held);
  const block = chunkSize(traceDatLimits.blockBytes, 12 * 1024);
  for (const position of [0, 12 * 1024, block - 12 * 1024, 7 * block, 9 * block + 24 * 1024]) {
    const ends: number[] = [];
    let end = position;
    const read: Uint8Array[] = [];
    for (const piece of readInBlocks(stream, 12 * 1024, position)) {
      read.push(piece.slice());
      ends.push((end += piece.length));
    }
    expect(Buffer.concat(read).equals(held)).toBe(true);
    expect(ends.slice(0, -1).filter((at) => at % block !== 0)).toEqual([]);
    expect(ends.length).toBe(Math.ceil((position + stream.bytes) / block) - Math.floor(position / block));
  }
});

test("of what is no file system that is known, files may share blocks", () => {
  const fd = openSync("/proc/self/status", "r");
  expect(isOnPlainDisk({ fd, place: { directory: undefined } })).toBe(false);
  closeSync(fd);
  expect(isOnPlainDisk({ fd: -1, place: { directory: undefined } })).toBe(false);
});

test("tables of machines that have the same are packed and held once, but for symbols", async () => {
  const kallsyms = new TextEncoder().encode("0 t a\n");
  const of = (text: string): Promise<readonly { packed: Uint8Array }[]> =>
    packTables({ ...metadata, kallsyms, formats: [{ system: "test", text }] });
  const [first, second, other] = [await of("a"), await of("a"), await of("b")];
  const same = (ones: typeof first): boolean[] => ones.map(({ packed }, index) => packed === first[index]?.packed);
  expect(same(second)).toEqual([true, true, true, false, true, true]);
  expect(same(other)).toEqual([true, true, false, false, true, true]);
  expect(second.map(({ packed }) => packed)).toEqual(first.map(({ packed }) => packed));
});

test("readings that go on at one time, and after each other, have buffers of their own", () => {
  const streamOf = (byte: number): RecordedStream => {
    const path = join(directory, `buffer${byte}`);
    writeFileSync(path, new Uint8Array(3 * 4096).fill(byte));
    return { cpu: 0, path, skipBytes: 0, bytes: 3 * 4096 };
  };
  for (let round = 0; round < 2; round++) {
    const [one, other] = [readStream(streamOf(1), 4096), readStream(streamOf(2), 8192)];
    const [first, second] = [one.next().value, other.next().value];
    expect([first?.length, second?.length]).toEqual([4096, 8192]);
    expect([new Set(first), new Set(second)]).toEqual([new Set([1]), new Set([2])]);
    expect([...one, ...other].map(({ length }) => length)).toEqual([4096, 4096, 4096]);
  }
});
