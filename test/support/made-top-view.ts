/** What top would show of a guest that was never there: hostile names, a loss, a wait with its culprit. */
import type { TopView } from "../../src/host/live/top-meter.ts";
import { LatencyHistogram } from "../../src/views/latency-histogram.ts";

export function viewOf(cpus: number, tasks: number): TopView {
  const wakeups = new LatencyHistogram();
  for (let us = 1; us <= 100; us++) wakeups.add(us * 1000);
  return {
    cpus: Array.from({ length: cpus }, (_, cpu) => ({
      cpu,
      busyShare: cpu === 0 ? undefined : cpu / cpus,
      running: cpu % 2 === 0 ? "" : `task${cpu}-${cpu + 100}`,
    })),
    tasks: Array.from({ length: tasks }, (_, index) => ({
      pid: index + 1,
      name: `t\x1b[2J${index}`,
      cpuShare: index / 100,
      runsPerSecond: tasks - index,
    })),
    events: [
      { name: "sched:sched_switch", perSecond: 1234.4 },
      { name: "irq:irq_handler_entry", perSecond: 0 },
    ],
    eventsPerSecond: 1234.4,
    wakeupsPerSecond: 50,
    wakeups,
    lostEvents: 7,
    unknownLosses: 1,
    longestWait: {
      task: { pid: 123, name: "victim", prio: 120 },
      cause: "woken",
      start: 0,
      end: 12_300_000,
      cpu: 1,
      isEndCut: false,
      waker: undefined,
      ran: [{ pid: 77, name: "h\x1b[2Jog", prio: 100, ns: 12_000_000 }],
      othersNs: 0,
      interruptsNs: 0,
      isWhole: true,
    },
  };
}
