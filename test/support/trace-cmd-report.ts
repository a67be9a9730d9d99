/** `trace-cmd report` as the measure of ours, and where Debian's 3.1.6 (libtraceevent 1.7.1) is known to be wrong. */
import { spawnSync } from "node:child_process";
import { openRecording } from "../../src/host/open-recording.ts";
import { type ReportOptions, writeReport } from "../../src/host/report.ts";

/** Why there is nothing to compare with, or undefined. */
export function noTraceCmdReason(): string | undefined {
  return spawnSync("trace-cmd", ["--version"]).error === undefined ? undefined : "no trace-cmd to compare with";
}

export function traceCmdReport(path: string): string {
  const { stdout, stderr, status } = spawnSync("trace-cmd", ["report", path], { maxBuffer: 1 << 30, encoding: "latin1" });
  if (status !== 0) throw new Error(`trace-cmd report ${path}: ${status}: ${stderr}`);
  return stdout;
}

export function ourReport(path: string, options: Partial<ReportOptions> = {}): string {
  const source = openRecording(path);
  const parts: Buffer[] = [];
  try {
    writeReport(source, { form: "text", ...options }, (bytes) => parts.push(Buffer.from(bytes)));
  } finally {
    source.close();
  }
  return Buffer.concat(parts).toString("latin1");
}

/**
 * - the states of a switched task are shown by the letters of older kernels: I as W, Z as X;
 * - `REC->flags & (A | B)` is computed as `REC->flags & A | B`: timer_start has flags that it has not;
 * - print fmts of maple_tree are not understood, and their fields are shown.
 */
function isKnownDifference(ours: string, theirs: string): boolean {
  if (theirs.includes(" sched_switch: ")) return theirs.replace("] W ==> ", "] I ==> ").replace("] X ==> ", "] Z ==> ") === ours;
  if (theirs.includes(" timer_start: ")) return theirs.replace(/ flags=\S*$/, "") === ours.replace(/ flags=\S*$/, "");
  return theirs.includes("[FAILED TO PARSE]") && ours.slice(0, 60) === theirs.slice(0, 60);
}

export type ReportComparison = { lines: number; known: number; others: { ours: string; theirs: string }[]; sameEvents: boolean };

/** Line by line: CPU, task, time and event must be the same, the text may differ where it is known. */
export function compareReports(path: string): ReportComparison {
  const ours = ourReport(path).split("\n");
  const theirs = traceCmdReport(path).split("\n");
  const head = (line: string): string => line.slice(0, line.indexOf(": ", 45));
  let sameEvents = ours.length === theirs.length;
  let known = 0;
  const others: ReportComparison["others"] = [];
  for (const [index, line] of ours.entries()) {
    const other = theirs[index] ?? "";
    if (line === other) continue;
    if (head(line) !== head(other)) sameEvents = false;
    if (isKnownDifference(line, other)) known++;
    else others.push({ ours: line, theirs: other });
  }
  return { lines: ours.length, known, others, sameEvents };
}
