/** What a summary tells of losses: what the events tell of, and where the file does not hold what its own recorder counted. */
import type { TraceMetadata } from "../events/trace-metadata.ts";
import { parseRecordingCounts } from "../trace-dat/recording-counts.ts";
import type { Losses } from "./loss-text.ts";
import type { TraceStatistics } from "./trace-statistics.ts";

export function allLosses({ cpus }: TraceStatistics): Losses & { damaged: number } {
  const losses = { lostEvents: 0, unknownLosses: 0, damaged: 0 };
  for (const cpu of cpus.values()) {
    losses.lostEvents += cpu.lostEvents;
    losses.unknownLosses += cpu.unknownLosses;
    losses.damaged += cpu.damagedSubBuffers;
  }
  return losses;
}

/** One of the three. */
export type Missing = { cpu: number; transitBytes?: number; takenEvents?: number; notServedEvents?: number };

/** Of a recording of which all events were counted. */
export function missingOf({ cpus }: TraceStatistics, { cpuStats }: TraceMetadata): Missing[] {
  return cpuStats.flatMap(({ cpu, text }) => {
    const counts = parseRecordingCounts(text);
    const shown = cpus.get(cpu);
    const taken = (counts.events ?? 0) - (shown?.events ?? 0);
    const missing: Missing[] = [];
    if (counts.transitBytes > 0) missing.push({ cpu, transitBytes: counts.transitBytes });
    else if (taken > 0 && (shown?.damagedSubBuffers ?? 0) === 0) missing.push({ cpu, takenEvents: taken });
    if (counts.notServed !== undefined) missing.push({ cpu, notServedEvents: counts.notServed });
    return missing;
  });
}
