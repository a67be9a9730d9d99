/**
 * The ring buffer's statistics of each CPU: `per_cpu/cpuN/stats` (kernel/trace/trace.c, tracing_stats_read). The
 * text is in tracefs, in a guest's metadata and in a trace.dat; this file parses all of them.
 *
 * overrun: overwritten before it was read; commit overrun: lost to a commit that had not ended; dropped events: refused in
 * non-overwriting mode. They count since the buffer was last reset.
 */
import { SystemError } from "../../ffi/errno.ts";
import { SmallFile } from "../../ffi/small-file.ts";

export type CpuStats = {
  /** Events in the buffer, not yet read. */
  entries: number;
  overrun: number;
  commitOverrun: number;
  bytes: number;
  droppedEvents: number;
  readEvents: number;
};

export const noStats: CpuStats = {
  entries: 0,
  overrun: 0,
  commitOverrun: 0,
  bytes: 0,
  droppedEvents: 0,
  readEvents: 0,
};

const keys: ReadonlyMap<string, keyof CpuStats> = new Map([
  ["entries", "entries"],
  ["overrun", "overrun"],
  ["commit overrun", "commitOverrun"],
  ["bytes", "bytes"],
  ["dropped events", "droppedEvents"],
  ["read events", "readEvents"],
]);

/** The text is not longer. */
const statsBytesMax = 1024;

/** Parses the text; unknown lines (time stamps, additions of later kernels) are skipped. */
export function parseCpuStats(text: string): Partial<CpuStats> {
  const stats: Partial<CpuStats> = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const key = keys.get(line.slice(0, Math.max(colon, 0)).trim());
    const value = line.slice(colon + 1).trim();
    if (key !== undefined && /^\d{1,16}$/.test(value) && Number.isSafeInteger(Number(value)))
      stats[key] = Number(value);
  }
  return stats;
}

/** The stats of one CPU, or undefined if the kernel does not provide them (the CPU or the instance is gone). */
export function readCpuStats(tracingDirectory: string, cpu: number): CpuStats | undefined {
  const text = textOf(cpuStatsFile(tracingDirectory, cpu));
  return text === undefined ? undefined : { ...noStats, ...parseCpuStats(text) };
}

/** The file; for those who read it again and again. */
export function cpuStatsFile(tracingDirectory: string, cpu: number): SmallFile {
  return new SmallFile(`${tracingDirectory}/per_cpu/cpu${cpu}/stats`, statsBytesMax);
}

/**
 * The current trace time in a CPU's ring buffer: seconds with microseconds where the clock counts nanoseconds, else
 * the bare number. In the unit of the events' time stamps, cut to microseconds; undefined if the kernel does not
 * provide it.
 */
export function readTraceTime(stats: SmallFile): bigint | undefined {
  return parseTraceTime(textOf(stats) ?? "");
}

/** The same, from a text. */
export function parseTraceTime(stats: string): bigint | undefined {
  const [, whole, fraction] = /^now ts:\s*(\d{1,20})(?:\.(\d{6}))?$/m.exec(stats) ?? [];
  if (whole === undefined) return undefined;
  return fraction === undefined ? BigInt(whole) : BigInt(whole) * 1_000_000_000n + BigInt(fraction) * 1_000n;
}

function textOf(stats: SmallFile): string | undefined {
  try {
    return stats.read();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return undefined;
  }
}
