import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { EventIterator } from "../../src/timeline/event-iterator.ts";
import { CpuEvents, EventMerger, firstTimestamp, type MergeListener } from "../../src/timeline/event-merge.ts";
import type { EventSelection } from "../../src/timeline/event-selection.ts";
import { PartEvents } from "../../src/timeline/part-events.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { layoutOf, unknownLoss } from "../../src/ring-buffer/sub-buffer.ts";
import type { SubBufferReader } from "../../src/trace-dat/trace-source.ts";
import { inQuickForm } from "../support/quick.ts";

const layout = layoutOf(256, 8);
/** Four bytes of header and eight of data. */
const eventBytes = 12;
const eventsMost = Math.floor((256 - 16) / eventBytes);

/** A CPU's stream of events at the given times, in as many sub-buffers as it takes. */
function stream(
  times: readonly number[],
  perSubBuffer = eventsMost,
  lost: (index: number) => number = () => 0,
): Uint8Array {
  const subBuffers: Uint8Array[] = [];
  for (let at = 0; at < times.length; at += perSubBuffer) {
    const part = times.slice(at, at + perSubBuffer);
    const bytes = new Uint8Array(256);
    const view = new DataView(bytes.buffer);
    const first = part[0] ?? 0;
    view.setBigUint64(0, BigInt(first), true);
    const losses = lost(subBuffers.length);
    view.setUint32(
      8,
      ((part.length * eventBytes) | (losses === 0 ? 0 : losses > 0 ? 0xc000_0000 : 0x8000_0000)) >>> 0,
      true,
    );
    if (losses > 0) view.setUint32(16 + part.length * eventBytes, losses, true);
    let before = first;
    for (const [index, time] of part.entries()) {
      view.setUint32(16 + index * eventBytes, (((time - before) << 5) | 2) >>> 0, true);
      before = time;
    }
    subBuffers.push(bytes);
  }
  return Buffer.concat(subBuffers);
}

function reader(cpu: number, bytes: Uint8Array): SubBufferReader {
  let at = 0;
  return {
    cpu,
    read: (target) => {
      const part = bytes.subarray(at, at + target.length);
      target.set(part);
      at += part.length;
      return part.length;
    },
  };
}

type Seen = { cpu: number; time: number } | { cpu: number; lost: number };

function merged(streams: readonly Uint8Array[]): Seen[] {
  const seen: Seen[] = [];
  const record = new EventRecord();
  const cpus = streams.map((bytes, cpu) => new CpuEvents(reader(cpu, bytes), layout, 0n));
  const merger = new EventMerger(cpus, record, { lost: (cpu, lost) => seen.push({ cpu, lost }) });
  while (merger.next()) seen.push({ cpu: record.cpu, time: record.timestamp });
  return seen;
}

describe("events of several CPUs", () => {
  test("come in the order of their times, and of the CPUs where the times are the same", () => {
    const times = fc.array(fc.nat(50), { maxLength: 60 }).map((list) => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(fc.array(times, { maxLength: 5 }), fc.integer({ min: 1, max: eventsMost }), (lists, perSubBuffer) => {
        const expected = lists
          .flatMap((list, cpu) => list.map((time) => ({ cpu, time })))
          .sort((a, b) => a.time - b.time || a.cpu - b.cpu);
        expect(merged(lists.map((list) => stream(list, perSubBuffer)))).toEqual(expected);
      }),
      { numRuns: inQuickForm(75, 300) },
    );
  });

  test("come in order from thousands of CPUs, in a time that hardly grows with their number", () => {
    const cpus = 4096;
    const lists = Array.from({ length: cpus }, (_, cpu) => Array.from({ length: 40 }, (__, at) => at * 7 + (cpu % 13)));
    const begin = process.cpuUsage();
    const all = merged(lists.map((list) => stream(list)));
    const { user, system } = process.cpuUsage(begin);
    // A look at all CPUs for each event takes 8 s of CPU time.
    expect((user + system) / 1e6).toBeLessThan(3);
    const expected = lists
      .flatMap((list, cpu) => list.map((time) => ({ cpu, time })))
      .sort((a, b) => a.time - b.time || a.cpu - b.cpu);
    expect(all).toEqual(expected);
  });

  test("are more than fit a block that is read at once", () => {
    const many = Array.from({ length: 20_000 }, (_, index) => index * 2);
    const others = Array.from({ length: 10_000 }, (_, index) => index * 4 + 1);
    const all = merged([stream(many), stream(others)]);
    expect(all.length).toBe(30_000);
    expect(
      all.every(
        (event, index) =>
          index === 0 || ("time" in event && event.time >= ((all[index - 1] as { time: number }).time ?? 0)),
      ),
    ).toBe(true);
  });

  test("are told with their losses, in front of the event that follows them", () => {
    const losses = [0, 7, unknownLoss];
    const one = stream([10, 11, 20, 21, 30, 31], 2, (index) => losses[index] ?? 0);
    expect(merged([one, stream([15, 25])])).toEqual([
      { cpu: 0, time: 10 },
      { cpu: 0, time: 11 },
      { cpu: 1, time: 15 },
      { cpu: 0, lost: 7 },
      { cpu: 0, time: 20 },
      { cpu: 0, time: 21 },
      { cpu: 1, time: 25 },
      { cpu: 0, lost: unknownLoss },
      { cpu: 0, time: 30 },
      { cpu: 0, time: 31 },
    ]);
  });

  test("end with what is whole: a last sub-buffer that is cut short is left out", () => {
    const whole = stream([1, 2, 3], 1);
    expect(merged([whole.subarray(0, whole.length - 1)])).toEqual([
      { cpu: 0, time: 1 },
      { cpu: 0, time: 2 },
    ]);
    expect(merged([])).toEqual([]);
    expect(merged([new Uint8Array(0)])).toEqual([]);
  });
});

test("firstTimestamp() is the earliest of the CPUs that have any", () => {
  expect(
    firstTimestamp([reader(0, stream([90])), reader(1, stream([40, 41])), reader(2, new Uint8Array(0))], layout),
  ).toBe(40n);
  expect(firstTimestamp([reader(0, new Uint8Array(0))], layout)).toBe(0n);
});

function iteratorOf(
  streams: readonly Uint8Array[],
  selection: EventSelection = {},
  listener: MergeListener = {},
): EventIterator {
  const metadata = { layout, formats: [], cpus: streams.length, traceClock: "[local]", uname: "", cpuStats: [] };
  const open = (): SubBufferReader[] => streams.map((bytes, cpu) => reader(cpu, bytes));
  return new EventIterator(
    { metadata, cpus: streams.map((_, cpu) => cpu), open, close: () => {} },
    selection,
    listener,
  );
}

describe("events from one time to another", () => {
  const second = 1_000_000_000;

  test("are those that are shown with these times, to the ns", () => {
    const times = [-501, -500, 499, 500].map((ns) => second + ns);
    const within = (from: string, to: string): number[] => {
      const iterator = iteratorOf([stream(times)], { from, to });
      const found: number[] = [];
      while (iterator.next()) found.push(iterator.record.timestamp + Number(iterator.epoch) - second);
      return found;
    };
    expect(within("1", "1")).toEqual([-500, 499]);
    expect(within("0.999999", "1.000001")).toEqual([-501, -500, 499, 500]);
    expect(within("0.9999995", "0.9999995")).toEqual([-500]);
  });

  test("come with the losses in front of each of them", () => {
    const lostIn = (from: string, to: string): number[] => {
      const lost: number[] = [];
      const bytes = stream([100, 200, 300], 1, (index) => index * 5);
      const iterator = iteratorOf([bytes], { from, to }, { lost: (_, count) => lost.push(count) });
      while (iterator.next());
      return lost;
    };
    expect(lostIn("0.000000200", "0.000000300")).toEqual([5, 10]);
    expect(lostIn("0.000000201", "0.000000299")).toEqual([]);
  });
});

test("events of several machines come by time, and in the machines' order where the times are the same", () => {
  const times = fc.array(fc.nat(20), { minLength: 1, maxLength: 20 }).map((list) => list.sort((a, b) => a - b));
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 4 }), (lists) => {
      const expected = lists
        .flatMap((list, tag) => list.map((time) => ({ tag, time })))
        .sort((a, b) => a.time - b.time || a.tag - b.tag);
      const parts = new PartEvents(lists.map((list, tag) => ({ iterator: iteratorOf([stream(list)]), tag })));
      const seen: { tag: number; time: number }[] = [];
      while (parts.next()) {
        const { iterator, tag } = parts.current!;
        seen.push({ tag, time: iterator.record.timestamp + Number(iterator.epoch) });
      }
      expect(seen).toEqual(expected);
    }),
    { numRuns: inQuickForm(50, 200) },
  );
});
