/**
 * Lines after a CPU's statistics in a recording of ours: what the kernel counted between start and stop, and what
 * is known to be missing. The statistics themselves count since the ring buffer was made.
 */
import type { CpuBalance } from "./spool/balance.ts";

const prefix = "recording";

/** `leftOut`: earlier events that are not in the file. */
export function recordingCountLines({ counted, transitBytes, notServed }: CpuBalance, leftOut: number): string[] {
  const lines: string[] = [];
  if (counted !== undefined) {
    lines.push(
      `${prefix} events: ${counted.read - leftOut}`,
      `${prefix} overrun: ${counted.overrun}`,
      `${prefix} commit overrun: ${counted.commitOverrun}`,
      `${prefix} dropped events: ${counted.dropped}`,
    );
  }
  if (transitBytes > 0) lines.push(`${prefix} bytes lost in transit: ${transitBytes}`);
  if (notServed !== undefined) lines.push(`${prefix} not served: ${notServed.events}`);
  return lines;
}

/** The counts of several parts of a recording behind the statistics of the last one: a part's are its own. */
export function joinCounts(statistics: string, parts: readonly string[]): string {
  const sums = new Map<string, number>();
  for (const part of parts)
    for (const [, name = "", count] of part.matchAll(new RegExp(`^${prefix} ([a-z ]{1,40}): (\\d{1,15})$`, "gm")))
      sums.set(name, (sums.get(name) ?? 0) + Number(count));
  const own = statistics.split("\n").filter((line) => line !== "" && !line.startsWith(`${prefix} `));
  const lines = [...own, ...[...sums].map(([name, sum]) => `${prefix} ${name}: ${sum}`)];
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/**
 * The same of one of several parts: each has its own events, and the last what else was counted. `events`: of that CPU, by part, those of the
 * last one left out.
 */
export function partCounts(text: string, events: readonly number[], part: number): string {
  const own = events[part];
  const lines = text.split("\n").flatMap((line) => {
    const [, name = "", count = ""] = new RegExp(`^${prefix} ([a-z ]{1,40}): (\\d{1,15})$`).exec(line) ?? [];
    if (name === "") return [line];
    if (own === undefined)
      return name === "events"
        ? [`${prefix} events: ${events.reduce((left, of) => left - of, Number(count))}`]
        : [line];
    if (name === "events") return [`${prefix} events: ${own}`];
    return name === "overrun" || name === "commit overrun" || name === "dropped events" ? [`${prefix} ${name}: 0`] : [];
  });
  return lines.join("\n");
}

export type RecordingCounts = {
  /** Events that the kernel counted as read: the number in a complete file. */
  events: number | undefined;
  transitBytes: number;
  /** Events of a CPU that was online and not recorded. */
  notServed: number | undefined;
};

/** `text`: the statistics of one CPU, from any file. */
export function parseRecordingCounts(text: string): RecordingCounts {
  const value = (name: string): number | undefined => {
    const digits = new RegExp(`^${prefix} ${name}: (\\d{1,15})$`, "m").exec(text)?.[1];
    return digits === undefined ? undefined : Number(digits);
  };
  return {
    events: value("events"),
    transitBytes: value("bytes lost in transit") ?? 0,
    notServed: value("not served"),
  };
}
