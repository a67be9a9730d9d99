/** What `top` shows: rates over the last seconds, computed from totals since the beginning. */
import { LatencyHistogram } from "../../views/latency-histogram.ts";
import type { LongWait } from "../../views/scheduling/summary.ts";
import type { TraceStatistics } from "../../views/trace-statistics.ts";
import { hostLimits } from "../limits.ts";

export type CpuLoad = { cpu: number; busyShare: number | undefined; running: string };
export type TaskLoad = { pid: number; name: string; cpuShare: number; runsPerSecond: number };
export type EventRate = { name: string; perSecond: number };

export type TopView = {
  cpus: CpuLoad[];
  /** Not sorted. */
  tasks: TaskLoad[];
  /** Most frequent first. */
  events: EventRate[];
  eventsPerSecond: number;
  wakeupsPerSecond: number;
  wakeups: LatencyHistogram;
  /** Totals since the beginning. */
  lostEvents: number;
  unknownLosses: number;
  /** Of the last seconds. */
  longestWait?: LongWait | undefined;
};

type Counts = { busyNs: number; watchedNs: number };
type Snapshot = {
  stamp: number;
  events: number;
  cpus: Map<number, Counts>;
  tasks: Map<number, { name: string; runNs: number; switches: number }>;
  kinds: Map<string, number>;
  /** Since the previous snapshot. */
  wakeups: LatencyHistogram;
};

export class TopMeter {
  readonly #statistics: TraceStatistics;
  readonly #name: (pid: number) => string;
  #snapshots: Snapshot[] = [];

  constructor(statistics: TraceStatistics, name: (pid: number) => string) {
    this.#statistics = statistics;
    this.#name = name;
  }

  /** Call every `topRefreshMs`; `stamp` is the guest's time up to which events were counted. */
  measure(stamp: number): TopView {
    const now = this.#snapshot(stamp);
    this.#snapshots.push(now);
    if (this.#snapshots.length > hostLimits.topWindow + 1) this.#snapshots.shift();
    this.#forget();
    const [before = now, ...since] = this.#snapshots;
    const seconds = (now.stamp - before.stamp) / 1e9;
    const rate = (count: number): number => (seconds > 0 ? Math.max(0, count) / seconds : 0);
    const wakeups = new LatencyHistogram();
    for (const snapshot of since) wakeups.addAll(snapshot.wakeups);
    return {
      cpus: this.#cpuLoads(before, now),
      tasks: [...now.tasks].map(([pid, task]) => {
        const earlier = before.tasks.get(pid);
        return {
          pid,
          name: task.name,
          cpuShare: rate(task.runNs - (earlier?.runNs ?? 0)) / 1e9,
          runsPerSecond: rate(task.switches - (earlier?.switches ?? 0)),
        };
      }),
      events: [...now.kinds]
        .map(([name, count]) => ({ name, perSecond: rate(count - (before.kinds.get(name) ?? 0)) }))
        .sort((a, b) => b.perSecond - a.perSecond || a.name.localeCompare(b.name)),
      eventsPerSecond: rate(now.events - before.events),
      wakeupsPerSecond: rate(wakeups.count),
      wakeups,
      ...losses(this.#statistics),
    };
  }

  /** Tasks that did not run in the window have no rates; their totals start at zero when they run again. */
  #forget(): void {
    const [oldest] = this.#snapshots;
    if (oldest === undefined || this.#snapshots.length <= hostLimits.topWindow) return;
    for (const pid of this.#statistics.forgetIdleSince(oldest.stamp))
      for (const { tasks } of this.#snapshots) tasks.delete(pid);
  }

  #cpuLoads(before: Snapshot, now: Snapshot): CpuLoad[] {
    return [...this.#statistics.cpus.values()]
      .sort((a, b) => a.cpu - b.cpu)
      .map(({ cpu, runningPid }) => {
        const [earlier, later] = [before.cpus.get(cpu), now.cpus.get(cpu)];
        const watched = (later?.watchedNs ?? 0) - (earlier?.watchedNs ?? 0);
        const busy = (later?.busyNs ?? 0) - (earlier?.busyNs ?? 0);
        return {
          cpu,
          busyShare: watched > 0 ? Math.min(1, Math.max(0, busy / watched)) : undefined,
          running: runningPid < 0 ? "?" : runningPid === 0 ? "" : `${this.#name(runningPid)}-${runningPid}`,
        };
      });
  }

  /** Includes the running task up to now; otherwise its time would count only when it is switched out. */
  #snapshot(stamp: number): Snapshot {
    const statistics = this.#statistics;
    const tasks: Snapshot["tasks"] = new Map(
      statistics.busiest(Infinity).map(({ pid, name, runNs, switches }) => [pid, { name, runNs, switches }]),
    );
    const cpus: Snapshot["cpus"] = new Map();
    for (const { cpu, busyNs, watchedNs, runningPid, runningSince } of statistics.cpus.values()) {
      const ongoing = runningPid < 0 ? 0 : Math.max(0, stamp - runningSince);
      cpus.set(cpu, { busyNs: busyNs + (runningPid > 0 ? ongoing : 0), watchedNs: watchedNs + ongoing });
      const task = tasks.get(runningPid);
      if (task !== undefined) task.runNs += ongoing;
    }
    const { wakeups } = statistics;
    statistics.wakeups = new LatencyHistogram();
    const kinds = new Map(
      [...statistics.kinds].map(([kind, count]) => [
        kind === undefined ? "(unknown)" : `${kind.format.system}:${kind.format.name}`,
        count,
      ]),
    );
    return { stamp, events: statistics.events, cpus, tasks, kinds, wakeups };
  }
}

function losses({ cpus }: TraceStatistics): { lostEvents: number; unknownLosses: number } {
  let [lostEvents, unknownLosses] = [0, 0];
  for (const cpu of cpus.values()) {
    lostEvents += cpu.lostEvents;
    unknownLosses += cpu.unknownLosses;
  }
  return { lostEvents, unknownLosses };
}
