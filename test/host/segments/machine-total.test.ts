/** What the segments of a machine hold together, against what its kernel counted: nothing that is there, or was not wanted, is told to be lost. */
import { expect, test } from "bun:test";
import { sumOfLosses } from "../../../src/host/machines/losses.ts";
import { MachineTotal, missingOf } from "../../../src/host/segments/machine-total.ts";
import type { MachineStream } from "../../../src/host/segments/machine-stream.ts";
import type { WrittenSegment } from "../../../src/host/segments/segment-file.ts";
import type { CpuStatus, StatusReply } from "../../../src/protocol/replies.ts";
import type { SpoolEnd } from "../../../src/trace-dat/spool/spool-fields.ts";
import { newTally } from "../../../src/trace-dat/write/write.ts";
import { noCounters } from "../../support/fake-replies.ts";

const status = (counters: Partial<CpuStatus>): StatusReply => ({
  reply: "status",
  state: "armed",
  repliesDropped: 0,
  cpus: [{ cpu: 0, state: "armed", port: "open", bytes: 0, ...noCounters, ...counters }],
  notServed: undefined,
});

const segment = (events: number, leftOut = 0, damaged = 0): WrittenSegment => ({
  bytes: 10_000,
  cpus: [{ ...newTally(0), bytes: 4096, events, damaged }],
  leftOut: new Map(leftOut === 0 ? [] : [[0, leftOut]]),
  notes: [],
  offset: undefined,
  times: undefined,
});

/** Of a run in which the guest sent two sub-buffers and its kernel counted 100 events as read; `came`: bytes. */
function finished(segments: readonly WrittenSegment[], came: number, end: Partial<SpoolEnd> = {}, counted = {}) {
  const total = new MachineTotal();
  for (const one of segments) total.add(one, "vm");
  const stop = {
    reply: "stop",
    state: "armed",
    streams: [{ cpu: 0, bytes: 8192, lostBytes: 0 }],
    notServed: undefined,
  } as const;
  const stream = {
    session: {
      guest: "vm",
      traceId: 1n,
      before: status({}),
      start: { reply: "start", state: "running", streams: [{ cpu: 0, bytes: 0 }] },
    },
    end: {
      reason: "",
      stop: { ...stop, streams: [...stop.streams] },
      after: status({ readEvents: 100, ...counted }),
      ...end,
    },
    metadata: undefined,
    whole: new Map([[0, came]]),
  };
  return total.finished(stream as unknown as MachineStream, undefined);
}

test("segments with all events, those from before the start among them, miss nothing", () => {
  const all = finished([segment(40), segment(50, 10)], 8192);
  expect(missingOf(all)).toEqual([]);
  expect([all.bytes, all.cpus[0]?.events, all.cpus[0]?.bytes]).toEqual([20_000, 90, 8192]);
});

test("what is missing is told, once for all segments", () => {
  expect(missingOf(finished([segment(40), segment(50)], 4096))).toEqual([
    "CPU 0: 4096 bytes (10 events) were lost on their way",
  ]);
  expect(missingOf(finished([segment(40), segment(50)], 8192))).toEqual([
    "CPU 0: another reader of its ring buffer took 10 events",
  ]);
  expect(missingOf(finished([segment(40), segment(50, 0, 1), segment(1, 0, 1)], 8192))).toEqual([
    "2 sub-buffers cannot be read to the end",
  ]);
  expect(missingOf(finished([segment(100)], 8192, { reason: "the VM has ended" }))).toEqual([
    "it ended early: the VM has ended",
  ]);
});

test("what came beyond the size that was wanted is not lost", () => {
  const end = { beyondSize: [{ cpu: 0, bytes: 4096 }] };
  expect(missingOf(finished([segment(50)], 4096, end))).toEqual([]);
});

test("sumOfLosses() adds what each recording of a machine lost, of each kind", () => {
  const lost = { overrun: 3, commitOverrun: 5, droppedEvents: 7 };
  const first = sumOfLosses(undefined, finished([segment(90)], 4096, {}, lost));
  expect(first).toEqual({ overrun: 3, dropped: 12, transit: 10, takenByAnotherReader: 0, notServed: 0 });
  const second = sumOfLosses(first, finished([segment(80)], 8192, {}, lost));
  expect(second).toEqual({ overrun: 6, dropped: 24, transit: 10, takenByAnotherReader: 20, notServed: 0 });
  expect(sumOfLosses(second, finished([segment(90)], 4096))).toMatchObject({ transit: 20, takenByAnotherReader: 20 });
});
