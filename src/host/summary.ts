/** What a person reads at the end of a recording: per CPU bytes, events, losses; and how to open the file. */
import { parseCpuStats } from "../kernel/cpu-stats.ts";
import type { Finished } from "./finish.ts";
import { table } from "./table.ts";

export function summaryText(output: string, { bytes, cpus, metadata }: Finished): string {
  const rows = cpus.map(({ cpu, bytes: size, events, lostEvents, unknownLosses }) => {
    const stats = parseCpuStats(metadata.files[`per_cpu/cpu${cpu}/stats`] ?? "");
    const lost = unknownLosses > 0 ? `${lostEvents}+?` : `${lostEvents}`;
    return [`${cpu}`, `${size}`, `${events}`, lost, `${stats.overrun}`, `${stats.commitOverrun + stats.droppedEvents}`];
  });
  const sum = (of: (tally: (typeof cpus)[number]) => number): number => cpus.reduce((total, tally) => total + of(tally), 0);
  rows.push(["all", `${sum((t) => t.bytes)}`, `${sum((t) => t.events)}`, `${sum((t) => t.lostEvents)}`, "", ""]);
  const head = ["CPU", "bytes", "events", "lost", "overrun", "dropped"];
  const quoted = /^[\w@%+=:,./-]+$/.test(output) ? output : `'${output.replaceAll("'", `'\\''`)}'`;
  return [
    table(head, rows),
    `\n${output}: ${bytes} bytes. Look at it with:\n`,
    `  trace-agent report ${quoted}\n  trace-cmd report -i ${quoted}\n  kernelshark ${quoted}\n`,
  ].join("");
}
