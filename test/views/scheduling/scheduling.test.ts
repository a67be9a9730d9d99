import { describe, expect, test } from "bun:test";
import { schedulingLimits } from "../../../src/views/scheduling/limits.ts";
import { left, type Task, ToldMachine } from "../../support/scheduling.ts";

const idle: Task = { pid: 0 };
const victim: Task = { pid: 7 };
const hog: Task = { pid: 5, prio: 100 };
const waker: Task = { pid: 3 };

describe("a wait", () => {
  test("lasts from the wake-up to the switch, and has a waker and what ran meanwhile", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.switch(1_500, 1, idle, left.running, waker);
    machine.waking(2_000, 1, victim, { target: 0 });
    machine.irq(3_000, 3_400, 0, 24, "virtio0");
    machine.switch(5_000, 0, hog, left.asleep, { pid: 6 });
    machine.switch(6_000, 0, { pid: 6 }, left.preempted, victim);
    expect(machine.summary.woken.all).toEqual([
      {
        task: { pid: 7, name: "t7", prio: 120 },
        cause: "woken",
        start: 2_000,
        end: 6_000,
        cpu: 0,
        isEndCut: false,
        waker: { pid: 3, name: "t3", cpu: 1, interrupt: "" },
        ran: [
          { pid: 5, name: "t5", prio: 100, ns: 3_000 },
          { pid: 6, name: "t6", prio: 120, ns: 1_000 },
        ],
        othersNs: 0,
        interruptsNs: 400,
        isWhole: true,
      },
    ]);
    expect([machine.summary.wakeups.count, machine.summary.wakeups.max]).toEqual([1, 4_000]);
  });

  test("names the interrupt that woke, by its events or by the flags of the wake-up", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, waker);
    machine.softirq(true, 1_500, 0, 1);
    machine.waking(1_600, 0, victim);
    machine.softirq(false, 1_700, 0, 1);
    machine.waking(1_800, 0, hog, { flags: 0x08 });
    machine.switch(2_000, 0, waker, left.asleep, victim);
    machine.switch(3_000, 0, victim, left.asleep, hog);
    expect(machine.summary.woken.all.map(({ task, waker: by }) => [task.pid, by?.interrupt])).toEqual(
      [
        [7, "softirq TIMER"],
        [5, "an interrupt"],
      ].reverse(),
    );
  });

  test("begins when a task is preempted, which is no wake-up", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, victim);
    machine.switch(2_000, 0, victim, left.preempted, hog);
    machine.waking(2_500, 0, victim);
    machine.switch(7_000, 0, hog, left.running, victim);
    expect(machine.summary.woken.all).toEqual([]);
    const [wait] = machine.summary.preempted.all;
    expect(wait).toMatchObject({ start: 2_000, end: 7_000, cause: "preempted", waker: undefined });
    expect(wait?.ran).toEqual([{ pid: 5, name: "t5", prio: 100, ns: 5_000 }]);
  });

  test("of a new task has who forked it", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, waker);
    machine.waking(1_100, 0, victim, { isNew: true, target: 1 });
    machine.switch(1_200, 1, idle, left.running, victim);
    expect(machine.summary.woken.all).toMatchObject([{ cause: "new", waker: { pid: 3, cpu: 0 }, start: 1_100 }]);
  });

  test("is not begun by a wake-up of what runs already", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, victim);
    machine.waking(1_500, 1, victim, { target: 0 });
    machine.switch(2_000, 0, victim, left.asleep, idle);
    machine.switch(9_000, 0, idle, left.running, victim);
    expect(machine.summary.wakeups.count).toBe(0);
  });

  test("is not begun by a wake-up that comes too late, as live ones of other CPUs may", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, victim);
    machine.switch(2_000, 0, victim, left.asleep, idle);
    machine.waking(900, 1, victim, { target: 0 });
    machine.switch(2_000_000_000, 0, idle, left.running, victim);
    expect(machine.summary.wakeups.count).toBe(0);
  });

  test("that the end of the recording cuts is shown, and not counted", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.waking(2_000, 0, victim);
    machine.waking(9_000, 1, { pid: 8 });
    machine.finish();
    expect(machine.summary.wakeups.count).toBe(0);
    expect(machine.summary.woken.first).toMatchObject({
      task: { pid: 7 },
      isEndCut: true,
      end: 9_000,
      ran: [{ pid: 5, ns: 7_000 }],
    });
  });
});

describe("over a loss", () => {
  test.each([0, 1, 2])("no wait is known, whichever CPU lost events: CPU %d", (lossy) => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.switch(1_000, 1, idle, left.running, waker);
    machine.switch(1_000, 2, idle, left.running, { pid: 9 });
    machine.waking(2_000, 1, victim, { target: 0 });
    machine.gap(lossy);
    // The victim may have run on that CPU, slept, and been woken again.
    machine.switch(22_200_000_000, 0, hog, left.preempted, victim);
    expect([machine.summary.wakeups.count, machine.summary.woken.all]).toEqual([0, []]);
    expect(machine.summary.scheduling.cutWaits).toBe(1);
  });

  test("nothing that begins while another CPU loses events is known", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.switch(1_000, 1, idle, left.running, waker);
    machine.gap(1);
    machine.waking(2_000, 0, victim);
    machine.switch(3_000, 0, hog, left.asleep, victim);
    machine.switch(4_000, 1, waker, left.asleep, idle);
    machine.switch(5_000, 0, victim, left.asleep, idle);
    expect(machine.summary.wakeups.count).toBe(0);
    machine.waking(6_000, 0, victim);
    machine.switch(7_000, 0, idle, left.running, victim);
    expect([machine.summary.wakeups.count, machine.summary.wakeups.max]).toEqual([1, 1_000]);
  });

  test("a slice ends where the loss begins, and what a task did is counted up to there", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.waking(2_000, 0, victim);
    machine.switch(3_000, 0, hog, left.asleep, victim);
    machine.waking(4_000, 0, waker);
    machine.gap(0);
    machine.switch(22_200_000_000, 0, victim, left.asleep, hog);
    machine.switch(22_200_001_000, 0, hog, left.asleep, idle);
    const times = (pid: number): unknown => {
      const { runNs, waitNs, sleepNs } = machine.summary.scheduling.tasks.find(pid) ?? {};
      return { runNs, waitNs, sleepNs };
    };
    expect(times(7)).toEqual({ runNs: 1_000, waitNs: 1_000, sleepNs: 0 });
    expect(times(5)).toEqual({ runNs: 3_000, waitNs: 0, sleepNs: 1_000 });
    expect(machine.summary.slices.all.map(({ task, end, isEndCut }) => [task.pid, end, isEndCut])).toContainEqual([
      7,
      4_000,
      true,
    ]);
  });

  test("an interrupt that began before it has no end", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.softirq(true, 2_000, 0, 3);
    machine.gap(0);
    machine.softirq(false, 9_000_000, 0, 3);
    expect(machine.summary.interrupts.all).toEqual([]);
  });

  test("a second loss of a CPU that brought nothing between them changes nothing", () => {
    const machine = new ToldMachine();
    machine.gap(0);
    machine.gap(0);
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.waking(2_000, 0, victim);
    machine.switch(3_000, 0, hog, left.asleep, victim);
    expect(machine.summary.wakeups.count).toBe(1);
  });
});

test("a task that runs without a switch that told of it ends what was thought to run, and its own wait", () => {
  const machine = new ToldMachine();
  machine.switch(1_000, 0, idle, left.running, hog);
  machine.waking(2_000, 0, victim);
  // The switch to the victim was left out by a filter.
  machine.switch(90_000, 0, victim, left.asleep, idle);
  machine.finish();
  expect(machine.summary.wakeups.count).toBe(0);
  expect(machine.summary.scheduling.tasks.find(5)?.runNs).toBe(1_000);
  expect(machine.summary.scheduling.tasks.find(7)?.runNs).toBe(0);
});

test("times of tasks add up: ran, waited, slept, blocked", () => {
  const machine = new ToldMachine();
  machine.switch(1_000, 0, idle, left.running, victim);
  machine.switch(2_000, 0, victim, left.blocked, idle);
  machine.waking(5_000, 0, victim);
  machine.switch(5_500, 0, idle, left.running, victim);
  machine.switch(8_500, 0, victim, left.idle, idle);
  machine.waking(12_500, 0, victim);
  machine.finish();
  expect(machine.summary.scheduling.tasks.find(7)).toMatchObject({
    runNs: 4_000,
    blockedNs: 3_000,
    waitNs: 500,
    sleepNs: 4_000,
    runs: 2,
    waits: 1,
    longestWaitNs: 500,
  });
});

test("interrupts within each other are one time of the CPU", () => {
  const machine = new ToldMachine();
  machine.switch(1_000, 0, idle, left.running, hog);
  machine.waking(1_100, 0, victim);
  machine.softirq(true, 2_000, 0, 1);
  machine.irq(2_100, 2_200, 0, 24, "eth0");
  machine.softirq(false, 2_500, 0, 1);
  machine.switch(3_000, 0, hog, left.asleep, victim);
  expect(machine.summary.woken.first?.interruptsNs).toBe(500);
  expect([...machine.summary.interruptTimes.values()]).toEqual([
    { what: "irq 24 (eth0)", count: 1, totalNs: 100, maxNs: 100 },
    { what: "softirq TIMER", count: 1, totalNs: 500, maxNs: 500 },
  ]);
});

test("chosen tasks and CPUs are shown, and all are read", () => {
  const run = (machine: ToldMachine): (number | undefined)[] => {
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.waking(2_000, 0, victim);
    machine.switch(3_000, 0, hog, left.preempted, victim);
    machine.switch(4_000, 0, victim, left.asleep, hog);
    return machine.summary.woken.all.flatMap(({ task, ran }) => [task.pid, ran[0]?.pid]);
  };
  expect(run(new ToldMachine({ pids: [7] }))).toEqual([7, 5]);
  expect(run(new ToldMachine({ comms: ["t7"] }))).toEqual([7, 5]);
  expect(run(new ToldMachine({ pids: [5] }))).toEqual([]);
  expect(run(new ToldMachine({ cpus: [1] }))).toEqual([]);
});

describe("whatever the recording", () => {
  test("tasks that ended make room for others, and too many are not told apart", () => {
    const machine = new ToldMachine({}, { tasksMost: 64 });
    for (let pid = 10; pid < 1_000; pid++) {
      machine.switch(pid * 1_000, 0, idle, left.running, { pid });
      machine.switch(pid * 1_000 + 500, 0, { pid }, left.dead, idle);
    }
    expect(machine.summary.scheduling.tasks.isFull).toBe(false);
    expect([...machine.summary.scheduling.tasks.all].length).toBeLessThanOrEqual(64);
    const sleeping = new ToldMachine({}, { tasksMost: 64 });
    for (let pid = 10; pid < 1_000; pid++) {
      sleeping.switch(pid * 1_000, 0, idle, left.running, { pid });
      sleeping.switch(pid * 1_000 + 500, 0, { pid }, left.asleep, idle);
    }
    expect(sleeping.summary.scheduling.tasks.isFull).toBe(true);
    expect([...sleeping.summary.scheduling.tasks.all].length).toBe(64);
  });

  test("what ran in a wait of more slices than are kept is told as far as it is known", () => {
    const machine = new ToldMachine();
    const slices = schedulingLimits.historySlicesMost + 10;
    machine.switch(0, 0, idle, left.running, hog);
    machine.waking(10, 0, victim);
    for (let at = 1; at <= slices; at++)
      machine.switch(at * 1_000, 0, at % 2 === 1 ? hog : waker, left.running, at % 2 === 1 ? waker : hog);
    machine.switch((slices + 1) * 1_000, 0, slices % 2 === 1 ? waker : hog, left.running, victim);
    const [wait] = machine.summary.woken.all;
    expect(wait?.isWhole).toBe(false);
    expect(wait?.ran.reduce((sum, { ns }) => sum + ns, 0)).toBe(schedulingLimits.historySlicesMost * 1_000);
  });

  test("a CPU for which a task is woken may be none", () => {
    const machine = new ToldMachine();
    machine.switch(1_000, 0, idle, left.running, hog);
    machine.waking(2_000, 0, victim, { target: 0x7fff_ffff });
    machine.waking(3_000, 0, waker, { target: -5 });
    machine.finish();
    expect(machine.summary.woken.all.map(({ cpu }) => cpu)).toEqual([0, 0]);
  });
});
