/** The scheduling of a machine as one JSON object; times and durations in ns. */
import { foreignText } from "../../base/foreign-text.ts";
import type { LatencyHistogram } from "../latency-histogram.ts";
import { schedulingLimits } from "./limits.ts";
import { unknownPrio } from "./task-times.ts";
import type { LongWait, SchedulingSummary } from "./summary.ts";

/** `time`: what stands for a time in the object, which is whole, also above 2^53. */
export function schedulingJson(summary: SchedulingSummary, time: (stamp: number) => unknown): object {
  const task = ({ pid, name }: { pid: number; name: string }): object => ({ pid, comm: foreignText(name) });
  const wait = ({ cause, start, end, cpu, isEndCut, waker, ran, ...rest }: LongWait): object => ({
    ...task(rest.task),
    prio: prioOf(rest.task),
    cause,
    from: time(start),
    waitNs: end - start,
    ended: !isEndCut,
    cpu,
    waker:
      waker === undefined ? null : { ...task(waker), cpu: waker.cpu, interrupt: foreignText(waker.interrupt) || null },
    meanwhile: ran.map((other) => ({ ...task(other), prio: prioOf(other), ns: other.ns })),
    othersNs: rest.othersNs,
    interruptsNs: rest.interruptsNs,
    meanwhileKnown: rest.isWhole,
  });
  const { wakeups, preemptions, scheduling } = summary;
  return {
    woken: latencies(wakeups),
    preempted: latencies(preemptions),
    leftOut: scheduling.cutWaits,
    longestWoken: summary.woken.all.map(wait),
    longestPreempted: summary.preempted.all.map(wait),
    longestInterrupts: summary.interrupts.all.map(({ what, cpu, start, end, interrupted }) => ({
      interrupt: foreignText(what),
      cpu,
      from: time(start),
      ns: end - start,
      interrupted: task(interrupted),
    })),
    longestRuns: summary.slices.all.map(({ start, end, cpu, isStartCut, isEndCut, leftAs, ...of }) => ({
      ...task(of.task),
      prio: prioOf(of.task),
      cpu,
      from: time(start),
      ns: end - start,
      whole: !isStartCut && !isEndCut,
      leftAs: leftAs ?? null,
    })),
    interrupts: [...summary.interruptTimes.values()].map(({ what, count, totalNs, maxNs }) => ({
      interrupt: foreignText(what),
      count,
      totalNs,
      maxNs,
    })),
    tasks: summary.tasks(schedulingLimits.tasksInJson).map(({ times: one, name }) => ({
      pid: one.pid,
      comm: foreignText(name),
      runNs: one.runNs,
      waitNs: one.waitNs,
      sleepNs: one.sleepNs,
      blockedNs: one.blockedNs,
      runs: one.runs,
      waits: one.waits,
      maxWaitNs: one.longestWaitNs,
    })),
  };
}

function latencies(of: LatencyHistogram): object {
  return {
    count: of.count,
    sumNs: of.sum,
    p50Ns: of.percentile(0.5),
    p90Ns: of.percentile(0.9),
    p99Ns: of.percentile(0.99),
    maxNs: of.max,
    histogram: of.powers(),
  };
}

function prioOf({ prio }: { prio: number }): number | null {
  return prio === unknownPrio ? null : prio;
}
