import { describe, expect, test } from "bun:test";
import { partsOf } from "../../../src/trace-dat/parts.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import type { Form } from "../../../src/views/exporters.ts";
import { exporters } from "../../support/exporters.ts";
import type { MadeSched } from "../../support/made-machine.ts";
import { makeVcpus, vcpuTasks } from "../../support/made-vcpus.ts";
import { guestId, type Opened, openedGuest, openedHost, shiftedBy, timeShift } from "./opened.ts";

const textOf = (opened: readonly Opened[], form: Form): string => {
  const pieces: Buffer[] = [];
  finishExport(exporters[form].begin(partsOf(opened), {}, (bytes) => pieces.push(Buffer.from(bytes))));
  return Buffer.concat(pieces).toString();
};

type Thread = {
  vcpus: number[];
  runNs: number;
  waitNs: number;
  idleNs: number;
  unknownNs: number;
  stalls: number;
  preemptions: number;
  wakeups: { count: number; maxNs: number } | null;
  inside: { wakeups: number; delayed: number; delayedNs: number } | null;
};
type Guests = {
  guest: string;
  threads: Thread[];
  longestStalls: { ns: number; insideCount: number; meanwhile: { comm: string }[] }[];
}[];
function guestsOf(opened: readonly Opened[], form: Form = "summary-json"): Guests {
  const object = JSON.parse(textOf(opened, form)) as { guests: Guests; parts?: { name: string; guests: Guests }[] };
  return object.parts?.find(({ name }) => name === "host")?.guests ?? object.guests;
}

const world = makeVcpus();
const guest = openedGuest(world.guest);

describe("the vCPUs of a guest", () => {
  test("ran and waited as long as they did, and delayed the guest's wake-ups that they did", () => {
    for (const form of ["summary-json", "wakeups-json"] as const) {
      const [vm1] = guestsOf([openedHost(world.host), guest], form);
      expect(vm1?.guest).toBe("vm1");
      for (const [index, truth] of world.truth.entries()) {
        const vcpu = vm1?.threads[index];
        expect(vcpu).toMatchObject({
          runNs: truth.runNs,
          waitNs: truth.stallNs,
          preemptions: truth.preemptions,
          stalls: truth.preemptions + truth.wakeups,
          wakeups: { count: truth.wakeups },
          inside: { wakeups: truth.wakeups, delayed: truth.delayed, delayedNs: truth.delayedNs },
        });
        expect(truth.preemptions).toBeGreaterThan(100);
      }
      expect(vm1?.longestStalls[0]).toMatchObject({ insideCount: 1, meanwhile: [{ comm: "hog" }] });
    }
  });

  test("are shown beside the host's other times, with their longest stalls and why", () => {
    const text = textOf([openedHost(world.host), guest], "summary");
    expect(text).toMatch(
      /VCPUS OF vm1 +HOST TASK +RAN MS +WAITED MS +STEAL +IDLE MS +UNKNOWN MS\nvCPU 0 +CPU 0\/TCG-101 /,
    );
    expect(text).toMatch(/ us from 7\d{3}\.\d{6}: vCPU \d was preempted on CPU \d\n {4}meanwhile it ran hog-200 /);
    expect(text).toMatch(/ {4}inside, worker-7\d was woken and waited [\d.]+ us, [\d.]+ us of it for this\n/);
  });

  test("are told without the guest's own recording, and with one that is another's or on a clock of its own", () => {
    const others = [
      openedGuest(world.guest, { traceId: 23n, timeShift }),
      openedGuest(world.guest, { traceId: guestId }),
      openedGuest(world.guest, { traceId: guestId, timeShift: { ...timeShift, hostTraceId: 12n } }),
    ];
    for (const opened of [[], ...others.map((other) => [other])])
      expect(guestsOf([openedHost(world.host), ...opened])[0]?.threads[0]).toMatchObject({
        runNs: world.truth[0]?.runNs,
        inside: null,
      });
  });

  test("delayed the same wake-ups where the guest's clock is early, and a wake-up seems to end before its stall", () => {
    const early = openedGuest(world.guest, { traceId: guestId, timeShift: shiftedBy(-5_000n) });
    const [vm1] = guestsOf([openedHost(world.host), early]);
    for (const [index, { delayed }] of world.truth.entries())
      expect(vm1?.threads[index]?.inside?.delayed).toBe(delayed);
  });

  test("are those of the guest of the same name where its recording has no id", () => {
    const [vm1] = guestsOf([openedHost(world.host), openedGuest(world.guest, { timeShift })]);
    expect(vm1?.threads[0]?.inside?.delayed).toBe(world.truth[0]?.delayed ?? 0);
  });
});

test("a thread that runs all vCPUs of a guest has their times together; one that is said to run two guests has the first's", () => {
  const [task] = vcpuTasks;
  const shared = [
    { name: "vm1", traceId: guestId, tasks: [task, task] },
    { name: "vm2", traceId: 99n, tasks: [task, -1] },
  ];
  const [vm1, vm2] = guestsOf([openedHost(world.host, shared), guest]);
  expect(vm1?.threads).toMatchObject([
    {
      vcpus: [0, 1],
      runNs: world.truth[0]?.runNs,
      inside: { wakeups: (world.truth[0]?.wakeups ?? 0) + (world.truth[1]?.wakeups ?? 0) },
    },
  ]);
  expect(vm2?.threads).toEqual([
    { vcpus: [0], task: null },
    { vcpus: [1], task: null },
  ] as never);
});

describe("a loss of the host's events", () => {
  const task = { pid: vcpuTasks[0], comm: "CPU 0/TCG" };
  const [idle, hog] = [
    { pid: 0, comm: "swapper" },
    { pid: 200, comm: "hog" },
  ];

  test("ends what the vCPU did, and is no stall", () => {
    const events: MadeSched[] = [
      { time: 1_000, cpu: 0, by: 0, prev: idle, state: 0, next: task },
      { time: 3_000, cpu: 0, by: task.pid, prev: task, state: 0x100, next: hog },
      // It waits, and may have run in what was lost.
      { time: 90_000, cpu: 0, by: 200, lost: true, prev: hog, state: 1, next: task },
      { time: 95_000, cpu: 0, by: task.pid, prev: task, state: 1, next: idle },
      { time: 96_000, cpu: 0, by: 0, wakes: task, target: 0 },
      { time: 98_000, cpu: 0, by: 0, prev: idle, state: 0, next: task },
      // It runs, and that is known up to 98 us.
      { time: 200_000, cpu: 0, by: 0, lost: true, prev: idle, state: 0, next: hog },
    ];
    const [vm1] = guestsOf([openedHost(events)]);
    expect(vm1?.threads[0]).toMatchObject({
      runNs: 2_000 + 5_000,
      waitNs: 2_000,
      idleNs: 1_000,
      stalls: 1,
      preemptions: 0,
      wakeups: { count: 1, maxNs: 2_000 },
    });
    expect(vm1?.threads[0]?.unknownNs).toBe(199_000 - 10_000);
    expect(vm1?.longestStalls.map(({ ns }) => ns)).toEqual([2_000]);
  });
});
