/** What counts as a vCPU's latency. */
import { expect, test } from "bun:test";
import { type Stall, VcpuTimes } from "../../../src/views/vcpus/vcpu-times.ts";

test("a stall that the recording's end cut is time, and no latency of a wake-up", () => {
  const times = new VcpuTimes(0, 7);
  const stall: Stall = {
    vcpus: [0],
    cause: "woken",
    start: 100,
    end: 400,
    isEndCut: true,
    cpu: 0,
    ran: [],
    interruptsNs: 0,
    isWhole: true,
    wakeups: [],
    wakeupCount: 0,
  };
  times.addStall(stall);
  expect([times.stalls, times.stallNs, times.latencies?.count]).toEqual([1, 300, undefined]);
  times.addStall({ ...stall, start: 500, end: 550, isEndCut: false });
  times.addStall({ ...stall, cause: "preempted", start: 600, end: 700, isEndCut: false });
  expect([times.stallNs, times.preemptions, times.latencies?.count, times.latencies?.max]).toEqual([450, 1, 1, 50]);
});
