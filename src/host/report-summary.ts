/** The text of `trace-agent report --stat`. */
import type { TraceMetadata } from "../kernel/trace-source.ts";
import type { TraceStatistics } from "../kernel/trace-statistics.ts";

const tasksShown = 15;

export function summaryText(statistics: TraceStatistics, metadata: TraceMetadata, time: { epoch: bigint; inNanoseconds: boolean }): string {
  const spanNs = Math.max(0, statistics.last - statistics.first);
  const sections = [
    overview(statistics, metadata, spanNs, time),
    eventSection(statistics, time.inNanoseconds ? spanNs / 1e9 : 0),
    cpuSection(statistics),
    ...(time.inNanoseconds ? [taskSection(statistics), wakeupSection(statistics)] : []),
    kernelSection(metadata),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function overview(statistics: TraceStatistics, { uname, clock }: TraceMetadata, spanNs: number, time: { epoch: bigint; inNanoseconds: boolean }): string {
  const lines = [`machine   ${uname === "" ? "unknown" : uname}`, `clock     ${clock}`];
  if (statistics.events > 0 && time.inNanoseconds) {
    const at = (stamp: number): string => {
      const ns = time.epoch + BigInt(Math.round(stamp));
      return `${ns / 1_000_000_000n}.${String((ns % 1_000_000_000n) / 1000n).padStart(6, "0")}`;
    };
    lines.push(`time      ${at(statistics.first)} to ${at(statistics.last)}, ${(spanNs / 1e9).toFixed(3)} s`);
  }
  lines.push(`events    ${statistics.events}`, `lost      ${lossText(statistics)}`);
  return `${lines.join("\n")}\n`;
}

function lossText({ cpus }: TraceStatistics): string {
  let [counted, unknown, damaged] = [0, 0, 0];
  for (const cpu of cpus.values()) {
    counted += cpu.lostEvents;
    unknown += cpu.unknownLosses;
    damaged += cpu.damagedSubBuffers;
  }
  const parts = [`${counted} events`];
  if (unknown > 0) parts.push(`${unknown} times an unknown number`);
  if (damaged > 0) parts.push(`${damaged} sub-buffers damaged`);
  return parts.join(", ");
}

function eventSection({ kinds }: TraceStatistics, seconds: number): string {
  const rows = [...kinds]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => [
      kind === undefined ? "(unknown)" : `${kind.format.system}:${kind.format.name}`,
      String(count),
      seconds > 0 ? (count / seconds).toFixed(1) : "-",
    ]);
  return rows.length === 0 ? "" : table(["EVENT", "COUNT", "PER SECOND"], rows);
}

function cpuSection({ cpus }: TraceStatistics): string {
  const rows = [...cpus.values()]
    .sort((a, b) => a.cpu - b.cpu)
    .map(({ cpu, events, lostEvents, unknownLosses, busyNs, watchedNs }) => [
      String(cpu),
      String(events),
      unknownLosses > 0 ? `${lostEvents}+?` : String(lostEvents),
      watchedNs > 0 ? `${((100 * busyNs) / watchedNs).toFixed(1)} %` : "-",
    ]);
  return table(["CPU", "EVENTS", "LOST", "BUSY"], rows);
}

function taskSection(statistics: TraceStatistics): string {
  const tasks = statistics.busiest(tasksShown);
  if (tasks.length === 0) return "";
  const watched = [...statistics.cpus.values()].reduce((sum, { watchedNs }) => sum + watchedNs, 0);
  const rows = tasks.map(({ pid, name, runNs, switches }) => [
    `${name}-${pid}`,
    (runNs / 1e6).toFixed(3),
    watched > 0 ? `${((100 * runNs) / watched).toFixed(1)} %` : "-",
    String(switches),
  ]);
  return table(["TASK", "MS", "OF ALL CPUS", "RUNS"], rows);
}

function wakeupSection({ wakeups }: TraceStatistics): string {
  if (wakeups.count === 0) return "";
  const us = (ns: number): string => (ns / 1000).toFixed(1);
  return table(
    ["WAKE-UPS", "P50 US", "P99 US", "MAX US"],
    [[String(wakeups.count), us(wakeups.percentile(0.5)), us(wakeups.percentile(0.99)), us(wakeups.max)]],
  );
}

/** The kernel's own counts, where the recording has them. */
function kernelSection({ cpuStats }: TraceMetadata): string {
  const value = (text: string, name: string): string => new RegExp(`^${name}: (\\d+)`, "m").exec(text)?.[1] ?? "-";
  const rows = cpuStats.map((text, index) => [
    /^CPU:\s*(\d+)/.exec(text)?.[1] ?? String(index),
    value(text, "entries"),
    value(text, "overrun"),
    value(text, "commit overrun"),
    value(text, "dropped events"),
    value(text, "read events"),
  ]);
  return rows.length === 0 ? "" : table(["KERNEL CPU", "UNREAD", "OVERRUN", "COMMIT OVERRUN", "DROPPED", "READ"], rows);
}

/** The first column to the left, the others to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ").trimEnd();
  return `${[line(head), ...rows.map((row) => line(row))].join("\n")}\n`;
}
