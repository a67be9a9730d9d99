/**
 * What a ring buffer counts per CPU: `per_cpu/cpuN/stats` (kernel/trace/trace.c, tracing_stats_read).
 *
 * overrun: overwritten before it was read; commit overrun: lost to a commit that had not ended; dropped events: refused in
 * non-overwriting mode. They count since the buffer was last reset.
 */
import { readFileSync } from "node:fs";

export type CpuStats = {
  /** Events in the buffer, not yet read. */
  entries: number;
  overrun: number;
  commitOverrun: number;
  bytes: number;
  droppedEvents: number;
  readEvents: number;
};

const keys: Record<string, keyof CpuStats> = {
  entries: "entries",
  overrun: "overrun",
  "commit overrun": "commitOverrun",
  bytes: "bytes",
  "dropped events": "droppedEvents",
  "read events": "readEvents",
};

/** Lines that are not known (time stamps, later kernels' additions) are passed over. */
export function parseCpuStats(text: string): CpuStats {
  const stats: CpuStats = { entries: 0, overrun: 0, commitOverrun: 0, bytes: 0, droppedEvents: 0, readEvents: 0 };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const key = keys[line.slice(0, Math.max(colon, 0)).trim()];
    const value = Number(line.slice(colon + 1));
    if (key !== undefined && Number.isSafeInteger(value)) stats[key] = value;
  }
  return stats;
}

/** The stats of one CPU, or undefined where the kernel does not give them (the CPU or the instance is gone). */
export function readCpuStats(tracingDirectory: string, cpu: number): CpuStats | undefined {
  try {
    return parseCpuStats(readFileSync(`${tracingDirectory}/per_cpu/cpu${cpu}/stats`, "latin1"));
  } catch {
    return undefined;
  }
}
