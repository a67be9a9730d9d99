/** The text of `trace-agent report --stat`. */
import { counted } from "../base/plural.ts";
import { foreignText } from "../base/foreign-text.ts";
import { table } from "../base/table.ts";
import { clockOf } from "../tracefs/trace-clocks.ts";
import { parseCpuStats } from "../tracefs/cpu-stats.ts";
import { lossCell, lossText } from "./loss-text.ts";
import type { TraceMetadata } from "../events/trace-metadata.ts";
import type { RecordedPart } from "../trace-dat/parts.ts";
import { allLosses, missingOf } from "./missing.ts";
import { boundText } from "./offset-text.ts";
import { shownTime } from "./shown-time.ts";
import type { SchedulingSummary } from "./scheduling/summary.ts";
import { longestSections } from "./scheduling/text.ts";
import type { Summed } from "./summed.ts";
import type { TraceStatistics } from "./trace-statistics.ts";
import { vcpuSections } from "./vcpus/text.ts";

const tasksShown = 15;

export function summaryText({ statistics, scheduling, vcpus, part, iterator: time, whole }: Summed): string {
  const { metadata } = part.source;
  const spanNs = Math.max(0, statistics.last - statistics.first);
  const sections = [
    [machineLines(part), overview(statistics, spanNs, time)].join("\n"),
    eventSection(statistics, time.inNanoseconds ? spanNs / 1e9 : 0),
    cpuSection(statistics),
    ...(time.inNanoseconds ? [taskSection(statistics, scheduling), wakeupSection(statistics)] : []),
    ...(scheduling === undefined ? [] : longestSections(scheduling, time)),
    ...(vcpus === undefined ? [] : vcpuSections(vcpus, spanNs)),
    kernelSection(metadata),
    ...(whole ? [missingSection(statistics, metadata)] : []),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function machineLines({ source: { metadata }, about }: RecordedPart): string {
  const { uname, ticks, timeShift, guests = [] } = metadata;
  const notes = [
    ...(ticks === undefined ? [] : ["ticks made ns"]),
    ...(timeShift === undefined ? [] : ["shifted to the host's clock"]),
  ];
  const lines = [
    `machine   ${uname === "" ? "unknown" : foreignText(uname)}`,
    `clock     ${[foreignText(clockOf(metadata)), ...notes].join(", ")}`,
  ];
  if (about?.offset !== undefined) lines.push(`placed    ${foreignText(boundText(about.offset))}`);
  for (const { name, tasks } of guests)
    lines.push(`guest     ${foreignText(name)}: ${tasks.map(taskText).join(", ") || "no CPU"}`);
  return lines.join("\n");
}

function taskText(pid: number, cpu: number): string {
  return `CPU ${cpu} ran as ${pid < 0 ? "an unknown task" : `task ${pid}`}`;
}

function overview(
  statistics: TraceStatistics,
  spanNs: number,
  time: { epoch: bigint; inNanoseconds: boolean },
): string {
  const lines: string[] = [];
  if (statistics.events > 0 && time.inNanoseconds) {
    const at = (stamp: number): string => shownTime(time.epoch + BigInt(stamp), true);
    lines.push(`time      ${at(statistics.first)} to ${at(statistics.last)}, ${(spanNs / 1e9).toFixed(3)} s`);
  }
  lines.push(`events    ${statistics.events}`, `lost      ${lossLine(statistics)}`);
  return `${lines.join("\n")}\n`;
}

function lossLine(statistics: TraceStatistics): string {
  const { damaged, ...losses } = allLosses(statistics);
  return `${lossText(losses, " events")}${damaged > 0 ? `, ${counted(damaged, "sub-buffer")} damaged` : ""}`;
}

function eventSection({ kinds }: TraceStatistics, seconds: number): string {
  const rows = [...kinds]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => [
      kind === undefined ? "(unknown)" : foreignText(`${kind.format.system}:${kind.format.name}`),
      String(count),
      seconds > 0 ? (count / seconds).toFixed(1) : "-",
    ]);
  return rows.length === 0 ? "" : table(["EVENT", "COUNT", "PER SECOND"], rows, "left");
}

function cpuSection({ cpus }: TraceStatistics): string {
  const rows = [...cpus.values()]
    .sort((a, b) => a.cpu - b.cpu)
    .map(({ cpu, events, busyNs, watchedNs, ...losses }) => [
      String(cpu),
      String(events),
      lossCell(losses),
      watchedNs > 0 ? `${((100 * busyNs) / watchedNs).toFixed(1)} %` : "-",
    ]);
  return table(["CPU", "EVENTS", "LOST", "BUSY"], rows, "left");
}

function taskSection(statistics: TraceStatistics, scheduling: SchedulingSummary | undefined): string {
  const tasks = statistics.busiest(tasksShown);
  if (tasks.length === 0) return "";
  const watched = [...statistics.cpus.values()].reduce((sum, { watchedNs }) => sum + watchedNs, 0);
  const ms = (ns: number): string => (ns / 1e6).toFixed(3);
  const rows = tasks.map(({ pid, name, runNs, switches }) => {
    const times = scheduling?.scheduling.tasks.find(pid);
    const row = [
      `${foreignText(name)}-${pid}`,
      ms(runNs),
      watched > 0 ? `${((100 * runNs) / watched).toFixed(1)} %` : "-",
      String(switches),
    ];
    if (times !== undefined) row.push(ms(times.waitNs), ms(times.sleepNs), ms(times.blockedNs));
    return row;
  });
  const more = scheduling === undefined ? [] : ["WAITED MS", "SLEPT MS", "D MS"];
  return table(["TASK", "MS", "OF ALL CPUS", "RUNS", ...more], rows, "left");
}

function wakeupSection({ wakeups }: TraceStatistics): string {
  if (wakeups.count === 0) return "";
  const us = (ns: number): string => (ns / 1000).toFixed(1);
  return table(
    ["WAKE-UPS", "P50 US", "P99 US", "MAX US"],
    [[String(wakeups.count), us(wakeups.percentile(0.5)), us(wakeups.percentile(0.99)), us(wakeups.max)]],
    "left",
  );
}

/** The kernel's own counts, if the recording has them. */
function kernelSection({ cpuStats }: TraceMetadata): string {
  const shown = ["entries", "overrun", "commitOverrun", "droppedEvents", "readEvents"] as const;
  const rows = cpuStats.map(({ cpu, text }) => {
    const stats = parseCpuStats(text);
    return [`${cpu}`, ...shown.map((name) => `${stats[name] ?? "-"}`)];
  });
  const head = ["KERNEL CPU", "UNREAD", "OVERRUN", "COMMIT OVERRUN", "DROPPED", "READ"];
  return rows.length === 0 ? "" : table(head, rows, "left");
}

/** Where the file does not match its recorder's counts. */
function missingSection(statistics: TraceStatistics, metadata: TraceMetadata): string {
  const lines = missingOf(statistics, metadata).map(({ cpu, transitBytes, takenEvents, notServedEvents }) => {
    if (transitBytes !== undefined) return `CPU ${cpu}: ${transitBytes} bytes were lost on their way`;
    if (takenEvents !== undefined)
      return `CPU ${cpu}: another reader took ${counted(takenEvents, "event")} of this recording`;
    return `CPU ${cpu} was not recorded: ${counted(notServedEvents ?? 0, "event")} stayed in its ring buffer`;
  });
  return lines.length === 0 ? "" : `MISSING\n${lines.join("\n")}\n`;
}
