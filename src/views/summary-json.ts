/**
 * `trace-agent report --stat --json`: the summary as one JSON object. Times and durations are in ns; what a clock that counts no ns
 * cannot tell is null. Names are letters, without control characters.
 */
import { foreignText } from "../base/foreign-text.ts";
import type { SessionOffset } from "../trace-dat/session/session-file.ts";
import { parseCpuStats } from "../tracefs/cpu-stats.ts";
import { clockOf } from "../tracefs/trace-clocks.ts";
import { jsonTime, jsonWithTimes } from "./json-times.ts";
import { viewLimits } from "./limits.ts";
import { allLosses, missingOf } from "./missing.ts";
import { schedulingJson } from "./scheduling/json.ts";
import type { Summed } from "./summed.ts";
import { vcpusJson } from "./vcpus/json.ts";

/** `isNamed`: it is one of several parts. */
export function summaryJson(summed: Summed, isNamed: boolean): string {
  const { epoch } = summed.iterator;
  return jsonWithTimes(summaryObject(summed, isNamed, (stamp) => jsonTime(epoch + BigInt(Math.round(stamp)))));
}

/** `at`: what stands for a time in the object. */
export function summaryObject(
  { part, statistics, scheduling, vcpus, iterator: time, whole }: Summed,
  isNamed: boolean,
  at: (stamp: number) => unknown,
): object {
  const { machine, buffer, source, about } = part;
  const { metadata } = source;
  const { lostEvents, unknownLosses, damaged } = allLosses(statistics);
  const hasTimes = time.inNanoseconds && statistics.events > 0;
  const { wakeups } = statistics;
  return {
    ...(isNamed ? { name: machine, buffer } : {}),
    machine: foreignText(metadata.uname),
    clock: foreignText(clockOf(metadata)),
    ...(about?.offset === undefined ? {} : { offset: offsetObject(about.offset) }),
    first: hasTimes ? at(statistics.first) : null,
    last: hasTimes ? at(statistics.last) : null,
    events: statistics.events,
    lost: lostEvents,
    lostUncounted: unknownLosses,
    damagedSubBuffers: damaged,
    kinds: [...statistics.kinds]
      .sort(([, a], [, b]) => b - a)
      .map(([kind, count]) => ({
        system: kind === undefined ? null : foreignText(kind.format.system),
        event: kind === undefined ? null : foreignText(kind.format.name),
        count,
      })),
    cpus: [...statistics.cpus.values()]
      .sort((a, b) => a.cpu - b.cpu)
      .map(({ cpu, events, lostEvents: lost, unknownLosses: uncounted, damagedSubBuffers, busyNs, watchedNs }) => ({
        cpu,
        events,
        lost,
        lostUncounted: uncounted,
        damagedSubBuffers,
        busyNs: time.inNanoseconds ? busyNs : null,
        watchedNs: time.inNanoseconds ? watchedNs : null,
      })),
    tasks: (time.inNanoseconds ? statistics.busiest(viewLimits.summaryTasks) : []).map(
      ({ pid, name, runNs, switches }) => ({ pid, comm: foreignText(name), runNs, runs: switches }),
    ),
    wakeups:
      time.inNanoseconds && wakeups.count > 0
        ? { count: wakeups.count, p50Ns: wakeups.percentile(0.5), p99Ns: wakeups.percentile(0.99), maxNs: wakeups.max }
        : null,
    // Null where a part of the tasks or CPUs was selected.
    scheduling: scheduling === undefined ? null : schedulingJson(scheduling, at),
    ...(vcpus === undefined ? {} : { guests: vcpusJson(vcpus, Math.max(0, statistics.last - statistics.first), at) }),
    kernel: metadata.cpuStats.map(({ cpu, text: stats }) => ({ cpu, ...parseCpuStats(stats) })),
    // Null where a part of the events was selected: then nobody can say.
    missing: whole ? missingOf(statistics, metadata) : null,
  };
}

/** As session.json has it. */
function offsetObject(offset: SessionOffset): object {
  return { ...offset, ...(offset.reason === undefined ? {} : { reason: foreignText(offset.reason) }) };
}
