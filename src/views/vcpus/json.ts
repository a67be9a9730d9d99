/** The vCPUs of a host's guests as JSON; durations in ns. */
import { foreignText } from "../../base/foreign-text.ts";
import { type HostVcpus, threadsOf } from "./host-vcpus.ts";
import { unknownNs } from "./unknown-time.ts";
import type { Stall } from "./vcpu-times.ts";

/** `time`: what stands for a time in the object. */
export function vcpusJson(host: HostVcpus, spanNs: number, time: (stamp: number) => unknown): object[] {
  const { tasks, catalog } = host.scheduling;
  return host.guests.map((guest) => ({
    guest: foreignText(guest.name),
    threads: threadsOf(guest).map(({ vcpus, times }) => {
      if (times === undefined) return { vcpus, task: null };
      const { task, runNs, stallNs, preemptions, latencies } = times;
      const { sleepNs = 0, blockedNs = 0 } = tasks.find(task) ?? {};
      return {
        vcpus,
        task,
        comm: foreignText(catalog.tasks.text(task)),
        runNs,
        waitNs: stallNs,
        idleNs: sleepNs + blockedNs,
        unknownNs: unknownNs(host, times, spanNs),
        stalls: times.stalls,
        preemptions,
        wakeups:
          latencies === undefined
            ? null
            : {
                count: latencies.count,
                p50Ns: latencies.percentile(0.5),
                p99Ns: latencies.percentile(0.99),
                maxNs: latencies.max,
              },
        // Null where the guest was not recorded with its host, or its clock is not known.
        inside: guest.isJoined ? times.guest : null,
      };
    }),
    longestStalls: guest.stalls.all.map((stall) => stallObject(stall, time)),
  }));
}

function stallObject(stall: Stall, time: (stamp: number) => unknown): object {
  return {
    vcpus: stall.vcpus,
    cause: stall.cause,
    from: time(stall.start),
    ns: stall.end - stall.start,
    ended: !stall.isEndCut,
    cpu: stall.cpu,
    meanwhile: stall.ran.map(({ pid, name, ns }) => ({ pid, comm: pid === 0 ? "idle" : foreignText(name), ns })),
    interruptsNs: stall.interruptsNs,
    meanwhileKnown: stall.isWhole,
    inside: stall.wakeups.map(({ wakeup: { pid, name, start, end }, ns }) => ({
      pid,
      comm: foreignText(name),
      from: time(start),
      latencyNs: end - start,
      stalledNs: ns,
    })),
    insideCount: stall.wakeupCount,
  };
}
