import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { GuestClock } from "../../src/timeline/guest-clock.ts";
import { LiveEvents } from "../../src/timeline/live-events.ts";
import { SubBufferAssembler } from "../../src/ring-buffer/sub-buffer-assembler.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { TaskNames } from "../../src/events/task-names.ts";
import { timelineLimits } from "../../src/timeline/limits.ts";

const layout = layoutOf(256, 8);
const eventBytes = 12;
const msNs = 1_000_000;

/** One sub-buffer of events at these times, in ms; `lost` events were lost before it. */
function subBuffer(timesMs: readonly number[], lost = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  let before = (timesMs[0] ?? 0) * msNs;
  view.setBigUint64(0, BigInt(before), true);
  view.setUint32(8, ((timesMs.length * eventBytes) | (lost > 0 ? 0xc000_0000 : 0)) >>> 0, true);
  view.setUint32(16 + timesMs.length * eventBytes, lost, true);
  for (const [index, time] of timesMs.entries()) {
    view.setUint32(16 + index * eventBytes, (((time * msNs - before) << 5) | 2) >>> 0, true);
    before = time * msNs;
  }
  return bytes;
}

type Seen = { cpu: number; ms: number } | { cpu: number; lost: number };

/** Of a guest that lets an event wait for 390 ms. */
const holdMs = 420;

class Viewer {
  readonly seen: Seen[] = [];
  readonly events: LiveEvents;

  constructor(cpus: readonly number[], clock = "local") {
    const metadata = {
      layout,
      formats: [],
      cpus: 1,
      traceClock: `[${clock}]`,
      uname: "",
      cpuStats: [],
    };
    this.events = new LiveEvents(metadata, cpus, holdMs, { lost: (cpu, lost) => this.seen.push({ cpu, lost }) });
  }

  release(nowMs: number): Seen[] {
    this.events.release(nowMs, (record) => this.#note(record));
    return this.seen.splice(0);
  }

  finish(): Seen[] {
    this.events.finish((record) => this.#note(record));
    return this.seen.splice(0);
  }

  /** So much came, each as soon as it happened, that the guest's clock is known. Its stamps are then our ms less 1000. */
  settle(): number {
    for (let ms = 0; ms < timelineLimits.liveClockSamples; ms++) this.events.push(0, subBuffer([ms]), 1000 + ms);
    this.finish();
    return timelineLimits.liveClockSamples;
  }

  #note({ cpu, timestamp }: { cpu: number; timestamp: number }): void {
    this.seen.push({ cpu, ms: (timestamp + Number(this.events.epoch ?? 0n)) / msNs });
  }
}

describe("live events", () => {
  test("of a busy CPU wait for those of an idle one, and come in the order of their times", () => {
    const viewer = new Viewer([0, 1]);
    const start = viewer.settle();
    viewer.events.push(0, subBuffer([start + 10, start + 30]), 1000 + start + 31);
    expect(viewer.release(1000 + start + 300)).toEqual([]);
    viewer.events.push(1, subBuffer([start + 20]), 1000 + start + 410);
    expect(viewer.release(1000 + start + 411)).toEqual([
      { cpu: 0, ms: start + 10 },
      { cpu: 1, ms: start + 20 },
    ]);
    expect(viewer.release(1000 + start + 30 + holdMs)).toEqual([{ cpu: 0, ms: start + 30 }]);
  });

  test("of before the start are passed over, with what was lost before them", () => {
    const viewer = new Viewer([0, 1]);
    viewer.events.startAt(new Map([[0, BigInt(20 * msNs)]]));
    viewer.events.push(0, subBuffer([5, 10], 7), 1000);
    viewer.events.push(0, subBuffer([15, 20, 25], 8), 1000);
    viewer.events.push(0, subBuffer([30], 9), 1000);
    viewer.events.push(1, subBuffer([6], 3), 1000);
    expect(viewer.finish()).toEqual([
      { cpu: 1, lost: 3 },
      { cpu: 1, ms: 6 },
      { cpu: 0, ms: 20 },
      { cpu: 0, ms: 25 },
      { cpu: 0, lost: 9 },
      { cpu: 0, ms: 30 },
    ]);
  });

  test("wait no longer than an event may in the guest, and a moment", () => {
    const viewer = new Viewer([0, 1]);
    const start = viewer.settle();
    viewer.events.push(0, subBuffer([start + 10]), 1000 + start + 400);
    expect(viewer.release(1000 + start + 10 + holdMs - 1)).toEqual([]);
    expect(viewer.release(1000 + start + 10 + holdMs)).toEqual([{ cpu: 0, ms: start + 10 }]);
  });

  test("do not wait at all once every CPU has brought a later one", () => {
    const viewer = new Viewer([0, 1]);
    const start = viewer.settle();
    viewer.events.push(0, subBuffer([start + 10, start + 12]), 1000 + start + 13);
    viewer.events.push(1, subBuffer([start + 11]), 1000 + start + 13);
    expect(viewer.release(1000 + start + 13)).toEqual([
      { cpu: 0, ms: start + 10 },
      { cpu: 1, ms: start + 11 },
    ]);
  });

  test("are held but a moment while the guest's clock is not known, or counts no ns", () => {
    for (const clock of ["local", "counter"]) {
      const viewer = new Viewer([0, 1], clock);
      viewer.events.push(0, subBuffer([5]), 1000);
      expect(viewer.release(1000 + timelineLimits.liveArrivalHoldMs - 1)).toEqual([]);
      viewer.events.push(1, subBuffer([4]), 1000 + timelineLimits.liveArrivalHoldMs);
      expect(viewer.release(1000 + timelineLimits.liveArrivalHoldMs)).toEqual([
        { cpu: 1, ms: 4 },
        { cpu: 0, ms: 5 },
      ]);
    }
  });

  test("do not wait where more of them came than may be held", () => {
    for (const more of [0, 256]) {
      const viewer = new Viewer([0, 1]);
      const start = viewer.settle();
      const bytes = new Uint8Array(timelineLimits.liveHeldBytes + more);
      bytes.set(subBuffer([start + 10]));
      viewer.events.push(0, bytes, 1000 + start + 11);
      expect(viewer.release(1000 + start + 11)).toEqual(more === 0 ? [] : [{ cpu: 0, ms: start + 10 }]);
    }
  });

  test("tell of losses where they are", () => {
    const viewer = new Viewer([0]);
    viewer.events.push(0, subBuffer([1, 2]), 1000);
    viewer.events.push(0, subBuffer([7], 5), 1000);
    expect(viewer.finish()).toEqual([
      { cpu: 0, ms: 1 },
      { cpu: 0, ms: 2 },
      { cpu: 0, lost: 5 },
      { cpu: 0, ms: 7 },
    ]);
  });

  test("all come, each CPU's in its order, whenever they arrive and are released", () => {
    const step = fc.record({
      cpu: fc.nat(3),
      count: fc.integer({ min: 1, max: 15 }),
      lateMs: fc.nat(600),
      look: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const viewer = new Viewer([0, 1, 2, 3]);
        const all: Seen[] = [];
        let ms = 0;
        const pushed: Seen[] = [];
        for (const { cpu, count, lateMs, look } of steps) {
          const times = Array.from({ length: count }, () => (ms += 1));
          viewer.events.push(cpu, subBuffer(times), 1000 + ms + lateMs);
          pushed.push(...times.map((time) => ({ cpu, ms: time })));
          if (look) all.push(...viewer.release(1000 + ms + lateMs));
        }
        all.push(...viewer.finish());
        for (const cpu of [0, 1, 2, 3])
          expect(all.filter((event) => event.cpu === cpu)).toEqual(pushed.filter((event) => event.cpu === cpu));
      }),
    );
  });

  test("of any bytes neither throw nor go on for ever", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.uint8Array({ minLength: 256, maxLength: 256 })), { maxLength: 20 }),
        (blocks) => {
          const viewer = new Viewer([0, 1, 2]);
          for (const [cpu, bytes] of blocks) viewer.events.push(cpu, new Uint8Array(bytes), 1000);
          viewer.release(2000);
          expect(viewer.finish().length).toBeLessThan(20 * 256);
        },
      ),
    );
  });
});

test("sub-buffers are made whole again, wherever the reads cut them", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 2000 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 40 }),
      (bytes, sizes) => {
        const assembler = new SubBufferAssembler(256);
        const parts: Uint8Array[] = [];
        let at = 0;
        for (const size of [...sizes, 2000]) {
          const whole = assembler.push(bytes.subarray(at, at + size));
          expect(whole.length % 256).toBe(0);
          parts.push(whole);
          at += size;
        }
        expect(Buffer.concat(parts)).toEqual(Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 256))));
      },
    ),
  );
});

test("a task has the name that it was given last", () => {
  const names = new TaskNames("7 sh\n");
  const rename = (name: string): string => {
    names.rename(7, Buffer.from(`${name}\0\0\0\0`), 0, name.length + 4);
    return names.text(7);
  };
  expect([rename("sh"), rename("shell"), rename("s"), rename("ls")]).toEqual(["sh", "shell", "s", "ls"]);
  names.takeSaved("7 cat\n8 dog\n");
  expect([names.text(7), names.text(8)]).toEqual(["cat", "dog"]);
});

test("a guest's clock is told by the quickest delivery of the last two windows", () => {
  const clock = new GuestClock();
  const windowMs = timelineLimits.liveClockWindowMs;
  /** At each of these times of ours came a stamp so much older than the clock of one that is 1000 ms behind. */
  const told = (ms: number, lateMs: number): number => {
    clock.observe(1000 + ms, (ms - lateMs) * msNs);
    return ms - (clock.at(1000 + ms) ?? NaN) / msNs;
  };
  expect(clock.at(1000)).toBeUndefined();
  expect([told(0, 0), told(windowMs, 50), told(windowMs + 1, 50), told(2 * windowMs + 1, 40)]).toEqual([0, 0, 0, 0]);
  expect([told(2 * windowMs + 2, 60), told(3 * windowMs + 3, 60)]).toEqual([40, 60]);
});
