/** What triggers see in a machine's streams: made-up ones, read as they grow. */
import { describe, expect, test } from "bun:test";
import type { RunningStream } from "../../../src/host/machines/running-recorder.ts";
import { MachineWatch } from "../../../src/host/triggers/machine-watch.ts";
import type { Trigger } from "../../../src/host/triggers/trigger.ts";
import { madeMetadata, type MadeSched, madeStreams } from "../../support/made-machine.ts";
import { madeLayout } from "../../support/made-sub-buffers.ts";
import { inQuickForm } from "../../support/quick.ts";

const ms = 1_000_000;
const latency: Trigger = { text: "latency=20ms", kind: "latency", ns: 20 * ms };
const toTask7: Trigger = {
  text: "event=sched:sched_switch/next_pid == 7",
  kind: "event",
  event: "sched:sched_switch",
  filter: "sched:sched_switch: next_pid == 7",
};
const [idle, t7, t8] = [
  { pid: 0, comm: "swapper" },
  { pid: 7, comm: "t7" },
  { pid: 8, comm: "t8" },
];
const epoch = 5_000_000_000_000n;
const asleep = 1;

const tickMs = inQuickForm(2, 1);

/** A CPU that switches to and fro, so that it delivers all the time. */
function ticking(cpu: number, to: number): MadeSched[] {
  const pid = { pid: 100 + cpu, comm: "tick" };
  return Array.from({ length: to / tickMs }, (_, index) => ({
    time: (index + 1) * tickMs * ms,
    cpu,
    by: 0,
    ...(index % 2 === 0 ? { prev: idle, state: 0, next: pid } : { prev: pid, state: asleep, next: idle }),
  }));
}

const wakes = (time: number, task: typeof t7): MadeSched => ({
  time: time * ms,
  cpu: 0,
  by: 0,
  wakes: task,
  target: 1,
});
const runs = (time: number, task: typeof t7): MadeSched => ({
  time: time * ms + 500,
  cpu: 1,
  by: 0,
  prev: idle,
  state: 0,
  next: task,
});

/** Each CPU delivers so much later than it happened, by its number. */
type Delays = readonly number[];

/**
 * What fires, where the machine's time is that of the watch and it looks every 50 ms, for five seconds. Each event lies in a sub-buffer of its
 * own, which is there when its CPU's delay is over.
 */
function firesOf(
  events: readonly MadeSched[],
  triggers: readonly Trigger[],
  {
    delays = [1, 1],
    since = new Map<number, bigint>(),
    keptBytes = Infinity,
  }: { delays?: Delays; since?: Map<number, bigint>; keptBytes?: number } = {},
): string[] {
  const fired: string[] = [];
  const watch = new MachineWatch(
    { name: "vm1", metadata: { ...madeMetadata, layout: madeLayout }, since, latencyMs: 500 },
    triggers,
    ({ text }, what) => fired.push(`${text}: ${what}`),
  );
  const byCpu = [0, 1].map((cpu) => {
    const own = events.filter((event) => event.cpu === cpu).toSorted((a, b) => a.time - b.time);
    const parts = own.map((event) => madeStreams([{ ...event, cpu: 0 }], 1, epoch)[0] ?? new Uint8Array(0));
    const bytes = Buffer.concat(parts);
    const cameMs = own.map(({ time }) => time / ms + (delays[cpu] ?? 0));
    return { cpu, bytes, cameMs };
  });
  for (let nowMs = 0; nowMs <= 5_000; nowMs += 50) {
    const streams = byCpu.map(({ cpu, bytes, cameMs }): RunningStream => {
      const to = cameMs.filter((came) => came <= nowMs).length * madeLayout.sizeBytes;
      const from = Math.max(0, to - keptBytes);
      return { cpu, from, to, readAt: (target, position) => bytes.subarray(0, to).copy(target, 0, position) };
    });
    watch.turn(streams, nowMs, Infinity);
  }
  return fired;
}

const busy = [...ticking(0, 4_000), ...ticking(1, 4_000)];

describe("a latency trigger", () => {
  test("fires for a wait that is too long, whichever CPU delivers first", () => {
    const events = [...busy, wakes(1_000, t7), runs(1_025, t7), wakes(2_000, t8), runs(2_019, t8)];
    const expected = ["latency=20ms: vm1: task 7 waited 25.0 ms for a CPU"];
    for (const delays of [
      [1, 1],
      [400, 1],
      [1, 400],
    ] as const)
      expect(firesOf(events, [latency], { delays })).toEqual(expected);
  });

  test("tells a wait below a millisecond to the microsecond", () => {
    const short: Trigger = { text: "latency=200us", kind: "latency", ns: 0.2 * ms };
    expect(firesOf([...busy, wakes(1_000, t7), runs(1_000.25, t7)], [short])).toEqual([
      "latency=200us: vm1: task 7 waited 251 us for a CPU",
    ]);
  });

  test("fires for a task that does not get a CPU at all", () => {
    expect(firesOf([...busy, wakes(1_000, t7)], [latency])).toEqual([
      expect.stringMatching(/^latency=20ms: vm1: task 7 has been waiting for \d+\.\d ms for a CPU$/),
    ]);
  });

  test("does not fire where a switch between may be lost, on whatever CPU", () => {
    const events = busy.map((event) =>
      event.cpu === 1 && event.time === 1_010 * ms ? { ...event, lost: true } : event,
    );
    expect(firesOf([...events, wakes(1_000, t7), runs(1_025, t7)], [latency])).toEqual([]);
    // Nor where it was removed before it was read.
    const few = { keptBytes: (20 / tickMs) * madeLayout.sizeBytes };
    expect(firesOf([...busy, wakes(1_000, t7), runs(1_025, t7)], [latency], few)).toEqual([]);
  });

  test("does not fire for what lay in the ring buffer before the recording began", () => {
    const events = [...busy, wakes(1_000, t7), runs(1_025, t7), wakes(2_000, t8), runs(2_030, t8)];
    const since = new Map([0, 1].map((cpu) => [cpu, epoch + BigInt(1_010 * ms)] as const));
    expect(firesOf(events, [latency], { since })).toEqual(["latency=20ms: vm1: task 8 waited 30.0 ms for a CPU"]);
  });

  test("does not fire for what a CPU delivers too late to be put in order", () => {
    const events = [...busy, wakes(1_000, t7), runs(1_025, t7)];
    expect(firesOf(events, [latency], { delays: [1, 2_500] })).toEqual([]);
  });

  test("is not watched where the clock counts no ns, or nothing tells of wake-ups", () => {
    const of = (more: object): boolean =>
      new MachineWatch(
        { name: "vm1", metadata: { ...madeMetadata, layout: madeLayout, ...more }, since: new Map(), latencyMs: 500 },
        [latency],
        () => {},
      ).isNeeded;
    expect([of({}), of({ traceClock: "[x86-tsc]" }), of({ formats: [] })]).toEqual([true, false, false]);
  });
});

describe("an event trigger", () => {
  test("fires at each event that its filter matches", () => {
    const events = [...busy, runs(1_000, t7), runs(1_100, t8), runs(1_200, t7)];
    expect(firesOf(events, [toTask7])).toEqual(
      Array.from({ length: 2 }, () => `${toTask7.text}: vm1: sched:sched_switch on CPU 1`),
    );
  });

  test("is not watched where no event, or no field, has the name", () => {
    const of = (filter: string): boolean =>
      new MachineWatch(
        { name: "vm1", metadata: { ...madeMetadata, layout: madeLayout }, since: new Map(), latencyMs: 500 },
        [{ ...toTask7, filter }],
        () => {},
      ).isNeeded;
    expect([of("sched:sched_switch"), of("sched:sched_fork"), of("sched:sched_switch: colour == 1")]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
