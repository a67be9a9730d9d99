/** How long tasks waited, told by what CPUs did: which waits count, and which nobody can know. */
import { expect, test } from "bun:test";
import { Sched, SchedQueue } from "../../../src/host/triggers/sched-queue.ts";
import { type LongWait, WakeupWaits } from "../../../src/host/triggers/wakeup-waits.ts";

type Step = readonly [
  time: number,
  cpu: number,
  ...what: ["wakes", number, number?] | ["switches", number, number] | ["losing"] | ["lost"],
];

function waitsOf(steps: readonly Step[], until = -Infinity): LongWait[] {
  const found: LongWait[] = [];
  const waits = new WakeupWaits(10, (wait) => found.push(wait));
  for (const [time, cpu, kind, first = 0, second = 0] of steps) waits.add(time, cpu, Sched[kind], first, second);
  waits.knownUntil(until, (cpu) => (cpu === 0 ? until : 0));
  return found;
}

test("a wait of more than the bound is told when it ends, and one of it is not", () => {
  const steps: Step[] = [
    [100, 0, "wakes", 7],
    [105, 1, "wakes", 8],
    [110, 0, "switches", 0, 7],
    [116, 1, "switches", 0, 8],
  ];
  expect(waitsOf(steps)).toEqual([{ pid: 8, from: 105, to: 116, isOver: true }]);
});

test("the first of several wake-ups counts, and none of a task that runs", () => {
  const steps: Step[] = [
    [100, 0, "switches", 0, 7],
    [101, 1, "wakes", 7],
    [150, 0, "switches", 7, 0],
    [200, 1, "wakes", 7],
    [208, 1, "wakes", 7],
    [211, 1, "switches", 0, 7],
  ];
  expect(waitsOf(steps)).toEqual([{ pid: 7, from: 200, to: 211, isOver: true }]);
});

test("a task that ran before anything was known of it waited for nothing", () => {
  const steps: Step[] = [
    [100, 1, "wakes", 7],
    [150, 0, "switches", 7, 0],
    [160, 0, "switches", 0, 7],
  ];
  expect(waitsOf(steps)).toEqual([]);
});

test("one that still waits is told of once", () => {
  expect(waitsOf([[100, 0, "wakes", 7]], 111)).toEqual([{ pid: 7, from: 100, to: 111, isOver: false }]);
  expect(waitsOf([[100, 0, "wakes", 7]], 110)).toEqual([]);
  // What runs on a CPU of which nothing came is not known.
  expect(waitsOf([[100, 0, "wakes", 7, 1]], 200)).toEqual([]);
  const steps: Step[] = [
    [100, 0, "wakes", 7],
    [120, 0, "wakes", 8],
    [130, 0, "switches", 0, 7],
  ];
  expect(waitsOf(steps, 131)).toMatchObject([{ pid: 7 }, { pid: 8, isOver: false }]);
});

test("a wait that a loss lies in, on whatever CPU, is not known", () => {
  const steps: Step[] = [
    [100, 0, "wakes", 7],
    [105, 1, "losing"],
    [106, 0, "wakes", 8],
    [120, 0, "switches", 0, 7],
    [125, 1, "lost"],
    [140, 0, "switches", 7, 8],
    [141, 0, "wakes", 7],
    [160, 0, "switches", 8, 7],
  ];
  expect(waitsOf(steps, 200)).toEqual([{ pid: 7, from: 141, to: 160, isOver: true }]);
});

test("a queue gives back what was put in, however much it holds meanwhile", () => {
  const queue = new SchedQueue(3);
  let taken = 0;
  for (let time = 0; time < 10_000; time++) {
    queue.push(time, Sched.switches, time + 1, time + 2);
    if (time % 3 !== 0) continue;
    expect([queue.time, queue.kind, queue.first, queue.second]).toEqual([taken, Sched.switches, taken + 1, taken + 2]);
    queue.shift();
    taken++;
  }
  for (; queue.length > 0; taken++, queue.shift()) expect(queue.time).toBe(taken);
  expect([taken, queue.time]).toEqual([10_000, Infinity]);
});
