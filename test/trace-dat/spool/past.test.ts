/** What was written before a recording began is left out, to the event. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Metadata } from "../../../src/events/trace-metadata.ts";
import { layoutOf, SubBufferCursor, unknownLoss } from "../../../src/ring-buffer/sub-buffer.ts";
import { beforeTime, endsBefore, reachOfPast, withoutPast } from "../../../src/trace-dat/spool/past.ts";
import { fromTheStart } from "../../../src/trace-dat/spool/run-counts.ts";
import type { SpoolSession } from "../../../src/trace-dat/spool/spool-fields.ts";
import type { RecordedStream } from "../../../src/trace-dat/write/recording.ts";
import { readStream } from "../../../src/trace-dat/write/stream-file.ts";
import { subBuffer, subBufferBytes } from "../../support/sub-buffers.ts";

const base = mkdtempSync(join(tmpdir(), "ta-past-"));
afterAll(() => rmSync(base, { recursive: true }));
const layout = layoutOf(subBufferBytes, 8);
const eventsEach = 5;
const stepNs = 100;

/** Sub-buffers of 5 events, 100 ns after each other; the first of sub-buffer N at (N + 1) * 10,000 and 100 ns. */
function streamOf(count: number, lost = 0, apartNs = 10_000n): RecordedStream {
  const parts = Array.from({ length: count }, (_, index) => {
    const bytes = subBuffer(eventsEach, index + 1, lost);
    bytes.writeBigUInt64LE(BigInt(index + 1) * apartNs, 0);
    return bytes;
  });
  const path = `${base}/cpu0`;
  writeFileSync(path, Buffer.concat(parts));
  return { cpu: 0, path, skipBytes: 0, bytes: count * subBufferBytes };
}

type Found = { ns: bigint; fill: number };

function eventsOf(stream: RecordedStream): { events: Found[]; losses: number[] } {
  const events: Found[] = [];
  const losses: number[] = [];
  const cursor = new SubBufferCursor(layout);
  for (const chunk of readStream(stream, 2 * subBufferBytes)) {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < chunk.length; at += subBufferBytes) {
      cursor.reset(view, at);
      losses.push(cursor.lostEvents);
      while (cursor.next()) events.push({ ns: BigInt(cursor.timestamp), fill: view.getUint8(cursor.dataOffset) });
      expect(cursor.damage).toBeUndefined();
    }
  }
  return { events, losses };
}

const all = (count: number): Found[] =>
  Array.from({ length: count * eventsEach }, (_, index) => ({
    ns: BigInt((Math.floor(index / eventsEach) + 1) * 10_000 + ((index % eventsEach) + 1) * stepNs),
    fill: Math.floor(index / eventsEach) + 1,
  }));

describe("withoutPast()", () => {
  test("keeps exactly the events from the start on, wherever it falls", () => {
    const stream = streamOf(4);
    const times = [0n, 9_999n, 10_100n, 10_101n, 10_300n, 20_000n, 20_100n, 30_250n, 40_500n, 40_501n, 2n ** 60n];
    for (const begin of times) {
      const cut = withoutPast(stream, layout, begin);
      const expected = all(4).filter(({ ns }) => ns >= begin);
      expect({ begin, events: eventsOf(cut.stream).events }).toEqual({ begin, events: expected });
      expect(cut.events).toBe(4 * eventsEach - expected.length);
    }
  });

  test("drops what was lost before the start, and keeps what may be lost behind it", () => {
    const stream = streamOf(3, 17);
    expect(eventsOf(withoutPast(stream, layout, 20_250n).stream).losses).toEqual([0, 17]);
    expect(eventsOf(withoutPast(stream, layout, 19_000n).stream).losses).toEqual([17, 17]);
    expect(eventsOf(stream).losses).not.toContain(unknownLoss);
  });

  test("of an empty stream is empty", () => {
    expect(withoutPast({ ...streamOf(1), bytes: 0 }, layout, 5n)).toMatchObject({ events: 0, stream: { bytes: 0 } });
  });
});

describe("beforeTime()", () => {
  test("keeps exactly what withoutPast() removes, wherever the time falls", () => {
    const stream = streamOf(4);
    const times = [0n, 9_999n, 10_100n, 10_101n, 10_300n, 20_000n, 20_100n, 30_250n, 40_500n, 40_501n, 2n ** 60n];
    for (const end of times) {
      const { events } = eventsOf(beforeTime(stream, layout, end));
      expect({ end, events }).toEqual({ end, events: all(4).filter(({ ns }) => ns < end) });
      expect(events.length).toBe(withoutPast(stream, layout, end).events);
    }
  });

  test("still tells how many were lost before a sub-buffer of which it keeps a part", () => {
    const stream = streamOf(3, 17);
    expect(eventsOf(beforeTime(stream, layout, 20_250n)).losses).toEqual([17, 17]);
    expect(eventsOf(beforeTime(stream, layout, 20_000n)).losses).toEqual([17]);
  });
});

test("endsBefore() says whether the last event was before a time, not at it", () => {
  const stream = streamOf(2);
  const times = [0n, 20_000n, 20_499n, 20_500n, 20_501n, 30_000n];
  expect(times.map((time) => endsBefore(stream, layout, time))).toEqual([false, false, false, false, true, true]);
});

test("reachOfPast() tells how long before the start a stream's first event was, whatever its sub-buffer's stamp", () => {
  const stream = streamOf(2);
  expect([reachOfPast(stream, layout, 15_000n), reachOfPast(stream, layout, 10_050n)]).toEqual([4_900n, 0n]);
});

describe("fromTheStart()", () => {
  const second = 1_000_000_000n;
  /** What is told of sub-buffers of five events at 10, 20 and 30 s, for a start at `startNs`. */
  function told(startNs: bigint, before: Pick<Metadata, "cpuStats">): { events: number; notes: string[] } {
    const session = {
      guest: "g",
      traceId: 1n,
      start: { reply: "start", state: "running", streams: [{ cpu: 0, bytes: 0, time: `${startNs}` }] },
    } as const satisfies SpoolSession;
    const metadata = { uname: "Linux", cpus: 1, formats: [], traceClock: "[local] global\n", ...before };
    const { leftOut, notes } = fromTheStart([streamOf(3, 0, 10n * second)], session, layout, metadata);
    return { events: leftOut.get(0) ?? 0, notes };
  }
  const leftOut = (events: number): string[] => [
    `left out: ${events} events from before the start, which the ring buffer held (--past keeps them)`,
  ];
  const taken = (now: string): Pick<Metadata, "cpuStats"> => ({ cpuStats: [{ cpu: 0, text: `now ts: ${now}\n` }] });

  test("tells of what was there before the recorder came, and not of what its own events left", () => {
    expect(told(25n * second, taken("15.000000"))).toEqual({ events: 10, notes: leftOut(5) });
    expect(told(25n * second, taken("5.000000"))).toEqual({ events: 10, notes: [] });
    // Counted later, as of a recorder that was killed; or not at all, by an old agent.
    expect(told(25n * second, taken("40.000000"))).toEqual({ events: 10, notes: leftOut(10) });
    expect(told(25n * second, { cpuStats: [] })).toEqual({ events: 10, notes: leftOut(10) });
    // Less than two seconds before.
    expect(told(11n * second, { cpuStats: [] })).toEqual({ events: 5, notes: [] });
  });
});
