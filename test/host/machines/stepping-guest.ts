/** What a recorder leaves of a guest whose clock steps, in files; and what these show of events that bear their true times. */
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { finishLeft } from "../../../src/host/machines/finish-machines.ts";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { SubBufferCursor } from "../../../src/ring-buffer/sub-buffer.ts";
import { MachineClock } from "../../../src/timeline/machine-clock.ts";
import type { Spool } from "../../../src/trace-dat/spool/spool.ts";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import type { RecordedPart } from "../../../src/trace-dat/parts.ts";
import { sessionOf } from "../../support/fake-machines.ts";
import { fakeHeaderPage } from "../../support/fake-replies.ts";
import { madeStream } from "../../support/made-sub-buffers.ts";
import { bodyOf } from "../../support/sub-buffers.ts";
import { metadata } from "../../timeline/sync/made-recording.ts";
import { mulberry } from "../../timeline/sync/schedules.ts";

const hostEpoch = 7_000_000_000_000n;
const [traceId, otherId, hostId] = [77n, 78n, 79n];
const tasks = [101, 102];
export const seconds = (count: number): number => Math.round(count * 1e9);

/**
 * From `from` to `to` of the host's time, in s, the guest's clock is `ahead` s ahead of it. Where it stands still or is set, nothing is
 * recorded meanwhile; each CPU has an event each 2.6 ms or so.
 */
export type Era = { from: number; to: number; ahead: number };

/** `host`: it is recorded too, and with it when it ran what. `quiet`: when the second CPU has events, where it has few; `within`: bursts during which the clock steps. */
export type Left = {
  eras: readonly Era[];
  burstsAt: readonly number[];
  quiet?: readonly number[];
  within?: readonly number[];
  host?: boolean;
  /** The recording is cut: its streams lie in pieces of so many bytes. */
  pieceBytes?: number;
};

const guestTimeOf = (eras: readonly Era[], host: number): bigint => {
  const era = eras.findLast(({ from }) => from <= host) ?? eras[0]!;
  return hostEpoch + BigInt(seconds(host + era.ahead));
};

export async function recovered(out: string, left: Left): Promise<{ out: string }> {
  leave(out, left);
  await recover(out);
  return { out };
}

/** What a recorder leaves that was killed: two guests, of which the first one's clock steps. Each event bears its time on the host. */
export function leave(out: string, { eras, burstsAt, quiet, within = [], host = false, pieceBytes }: Left): void {
  const directory = SessionDirectory.open(out, undefined);
  if (host) leaveHost(directory, eras);
  const leaveGuest = (machine: string, id: bigint, own: readonly Era[]): void => {
    directory.newRecording(directory.machine(machine, "guest"), id);
    const spool = directory.createSpool(machine);
    spool.writeSession({ guest: machine, traceId: id, vcpus: own === eras ? tasks : [901, 902], pieceBytes });
    const files = { "events/header_page": fakeHeaderPage, "events/header_event": "x", trace_clock: "[mono_raw]\n" };
    spool.writeMetadata("start", gzipSync(JSON.stringify({ ...bodyOf(files), cpus: 2 })));
    for (const cpu of [0, 1]) {
      // Of the second guest only its clock is looked at.
      const stream = streamOf(own, cpu, own === eras ? (cpu === 1 ? quiet : undefined) : [0, 1]);
      writeStream(spool, cpu, Buffer.concat(stream), pieceBytes);
    }
    for (const at of burstsAt) {
      const guest = guestTimeOf(own, at);
      const truth = hostEpoch + BigInt(seconds(at)) - guest;
      const isWithin = own === eras && within.includes(at);
      const range = { low: truth - 150_000n, high: truth + (isWithin ? -2_000_000n : 250_000n) };
      spool.addBurst({
        clock: "mono_raw",
        at: guest,
        rounds: 64,
        offsets: { mono_raw: range, mono: range, boot: range },
      });
    }
    spool.writeEnd({ reason: "" });
    spool.close();
  };
  leaveGuest("vm1", traceId, eras);
  leaveGuest("vm2", otherId, [{ from: 0, to: eras.at(-1)?.to ?? 0, ahead: 1 }]);
  directory.save();
  directory.close();
}

/** Of all machines, so that nothing is missing. */
export async function recover(out: string): Promise<void> {
  const directory = SessionDirectory.open(out, undefined);
  const missing = await finishLeft(directory, { format: "v6", remove: true }).finally(() => directory.close());
  expect(missing).toEqual([]);
}

function writeStream(spool: Spool, cpu: number, bytes: Buffer, pieceBytes: number | undefined): void {
  if (pieceBytes === undefined) return writeFileSync(`${spool.path}/cpu${cpu}`, bytes);
  for (let index = 0; index * pieceBytes < bytes.length; index++)
    writeFileSync(`${spool.path}/cpu${cpu}.${index}`, bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes));
}

/** It ran each vCPU of the first guest for 40 us about each of its events, here without those that are lost at a step. */
function leaveHost(directory: SessionDirectory, eras: readonly Era[]): void {
  directory.newRecording(directory.machine("host", "host"), hostId);
  const spool = directory.createSpool("host");
  spool.writeSession({ guest: "host", traceId: hostId });
  const [format] = metadata.formats;
  const files = {
    "events/header_page": fakeHeaderPage,
    "events/header_event": "x",
    trace_clock: "[mono_raw]\n",
    "events/sched/sched_switch/format": format?.text ?? "",
  };
  spool.writeMetadata("start", gzipSync(JSON.stringify({ ...bodyOf(files), cpus: 2 })));
  for (const [cpu, task] of tasks.entries()) {
    const events = eras.flatMap(({ from, to }) =>
      timesIn(from, to, cpu).flatMap((at) => [
        { time: seconds(at - 20e-6), data: switching(0, task) },
        { time: seconds(at + 20e-6), data: switching(task, 0) },
      ]),
    );
    const [first, last] = [{ time: -1_000_000 }, { time: seconds(eras.at(-1)?.to ?? 0) + 1_000_000 }];
    const idle = { data: switching(0, 0) };
    writeFileSync(
      `${spool.path}/cpu${cpu}`,
      madeStream([{ ...first, ...idle }, ...events, { ...last, ...idle }], hostEpoch),
    );
  }
  spool.writeEnd({ reason: "" });
  spool.close();
}

function switching(from: number, to: number): Buffer {
  const data = Buffer.alloc(16);
  data.writeUInt16LE(1, 0);
  data.writeInt32LE(from, 8);
  data.writeInt32LE(to, 12);
  return data;
}

/** A clock that is set back begins a sub-buffer; else its events follow each other in one. `quiet`: the only events, in s of the host. */
function streamOf(eras: readonly Era[], cpu: number, quiet: readonly number[] | undefined): Uint8Array[] {
  const pieces: { time: number; data: Buffer }[][] = [];
  let last = -Infinity;
  for (const era of eras) {
    const times = quiet?.filter((time) => time >= era.from && time < era.to) ?? [];
    if (quiet === undefined) times.push(...timesIn(era.from, era.to, cpu));
    const records = times.map((at) => {
      const data = Buffer.alloc(8);
      data.writeBigInt64LE(hostEpoch + BigInt(seconds(at)));
      return { time: seconds(at + era.ahead), data };
    });
    const [first] = records;
    if (first === undefined) continue;
    if (first.time < last) pieces.push([]);
    (pieces.at(-1) ?? (pieces.push([]), pieces[0]!)).push(...records);
    last = records.at(-1)?.time ?? last;
  }
  return pieces.map((records) => madeStream(records, hostEpoch));
}

/** When a CPU of the guest has events, about each 2.6 ms. */
function timesIn(from: number, to: number, cpu: number): number[] {
  const random = mulberry(1 + cpu);
  const times: number[] = [];
  for (let at = from + 0.0004 * (1 + cpu); at < to; at += 0.0016 + 0.002 * random()) times.push(at);
  return times;
}

export type Shown = { truth: bigint; shown: bigint };

/** By part, what it shows. */
export async function shownIn(out: string): Promise<Shown[][]> {
  const recordings = await openRecordings([out], { machines: ["vm1"] });
  try {
    return recordings.parts.map(shownOf);
  } finally {
    recordings.close();
  }
}

function shownOf({ source }: RecordedPart): Shown[] {
  const { layout } = source.metadata;
  const clock = new MachineClock(source.metadata, hostEpoch);
  const cursor = new SubBufferCursor(layout, hostEpoch);
  const bytes = new Uint8Array(new ArrayBuffer(layout.sizeBytes));
  const view = new DataView(bytes.buffer);
  return source.open().flatMap((reader) => {
    const shown: Shown[] = [];
    while (reader.read(bytes) > 0) {
      cursor.reset(view, 0);
      while (cursor.next()) {
        const truth = view.getBigInt64(cursor.dataOffset, true);
        shown.push({ truth, shown: clock.exactly(reader.cpu, hostEpoch + BigInt(cursor.timestamp)) });
      }
    }
    return shown;
  });
}

export function worstOf(shown: readonly Shown[]): number {
  return Math.max(...shown.map((one) => Math.abs(Number(one.shown - one.truth))));
}

export const hostTime = (at: number): bigint => hostEpoch + BigInt(seconds(at));

/** Every event once, in the part of its era, and shown within what is told of that. */
export async function expectApart(out: string, eras: readonly Era[], events: number): Promise<void> {
  const parts = await shownIn(out);
  const recordings = sessionOf({ out }).machines.find(({ name }) => name === "vm1")?.recordings ?? [];
  expect(parts.map((part) => part.length > 0)).toEqual(eras.map(() => true));
  expect(parts.flat().length).toBe(events);
  expect(new Set(parts.flat().map(({ truth }) => truth)).size).toBe(events);
  for (const [index, part] of parts.entries()) {
    const { offset, boundNs } = recordings[index] ?? {};
    const [from, to] = [hostTime(eras[index]?.from ?? 0), hostTime(eras[index]?.to ?? 0)];
    const strangers = part.filter(({ truth }) => truth < from || truth >= to);
    expect({ index, strangers: strangers.length }).toEqual({ index, strangers: 0 });
    expect(worstOf(part)).toBeLessThanOrEqual((offset?.boundNs ?? boundNs ?? 0) + 2);
  }
}

export function eventsOf(eras: readonly Era[], quiet?: readonly number[]): number {
  const count = (cpu: number, only?: readonly number[]): number =>
    streamOf(eras, cpu, only).reduce((sum, bytes) => sum + countIn(bytes), 0);
  return count(0) + count(1, quiet);
}

function countIn(bytes: Uint8Array): number {
  const cursor = new SubBufferCursor({ sizeBytes: 4096, headerBytes: 16, longBytes: 8, littleEndian: true });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = 0; at < bytes.length; at += 4096) for (cursor.reset(view, at); cursor.next();) count++;
  return count;
}
