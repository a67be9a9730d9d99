/** A host and its guest of two vCPUs that were never there: what each vCPU did, and what that did to the guest, is known. */
import { mulberry } from "../timeline/sync/schedules.ts";
import type { MadeSched, MadeTask } from "./made-machine.ts";

const [asleep, preempted] = [1, 0x100];
const idle: MadeTask = { pid: 0, comm: "swapper" };
const hog: MadeTask = { pid: 200, comm: "hog" };
export const vcpuTasks = [101, 102] as const;

export type Truth = {
  runNs: number;
  stallNs: number;
  wakeups: number;
  preemptions: number;
  delayed: number;
  delayedNs: number;
};
export type MadeWorld = { host: MadeSched[]; guest: MadeSched[]; truth: Truth[] };

/** vCPU k runs on the host's CPU k. All times are the host's. */
export function makeVcpus({ seconds = 1, seed = 3 } = {}): MadeWorld {
  const random = mulberry(seed);
  const between = (from: number, to: number): number => Math.round(from + (to - from) * random());
  const world: MadeWorld = { host: [], guest: [], truth: [] };
  for (const [cpu, pid] of vcpuTasks.entries()) {
    const vcpu: MadeTask = { pid, comm: `CPU ${cpu}/TCG` };
    const guestTask: MadeTask = { pid: 70 + cpu, comm: "worker" };
    const guestOther: MadeTask = { pid: 60 + cpu, comm: "spin" };
    const truth = { runNs: 0, stallNs: 0, wakeups: 0, preemptions: 0, delayed: 0, delayedNs: 0 };
    world.truth.push(truth);
    const host = (time: number, prev: MadeTask, state: number, next: MadeTask): void =>
      void world.host.push({ time, cpu, by: prev.pid, prev, state, next });
    let at = 1_000 + cpu;
    host(at, idle, 0, vcpu);
    truth.runNs += 1_000;
    host((at += 1_000), vcpu, asleep, idle);
    while (at < seconds * 1e9) {
      const isBusy = random() < 0.4;
      if (isBusy) host((at += between(5_000, 50_000)), idle, 0, hog);
      const woken = (at += between(20_000, 400_000));
      world.host.push({ time: woken, cpu, by: isBusy ? hog.pid : 0, wakes: vcpu, target: cpu });
      at += isBusy ? between(100_000, 900_000) : between(2_000, 30_000);
      host(at, isBusy ? hog : idle, isBusy ? preempted : 0, vcpu);
      truth.stallNs += at - woken;
      truth.wakeups++;
      const stops = random() < 0.3;
      const begin = at;
      const end = (at += between(20_000, 200_000));
      const waking = begin + Math.round((end - begin) * 0.3);
      world.guest.push({ time: waking, cpu, by: guestOther.pid, wakes: guestTask, target: cpu });
      truth.runNs += end - begin;
      let ran = begin + Math.round((end - begin) * 0.7);
      if (stops) {
        host(end, vcpu, preempted, hog);
        const again = (at += between(50_000, 1_500_000));
        host(again, hog, asleep, vcpu);
        truth.stallNs += again - end;
        truth.preemptions++;
        truth.delayed++;
        truth.delayedNs += again - end;
        at += between(20_000, 100_000);
        truth.runNs += at - again;
        ran = again + Math.round((at - again) * 0.2);
      }
      world.guest.push({ time: ran, cpu, by: guestOther.pid, prev: guestOther, state: preempted, next: guestTask });
      world.guest.push({ time: at - 1_000, cpu, by: guestTask.pid, prev: guestTask, state: asleep, next: guestOther });
      host(at, vcpu, asleep, idle);
    }
  }
  return world;
}
