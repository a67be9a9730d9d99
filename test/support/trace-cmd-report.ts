/** `trace-cmd report` as the measure of ours. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { basename } from "node:path";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { openSpool } from "../../src/trace-dat/spool/source.ts";
import { type PartSelection, partsOf } from "../../src/trace-dat/parts.ts";
import { isSession } from "../../src/trace-dat/session/is-session.ts";
import { sessionFiles } from "../../src/trace-dat/session/read-session.ts";
import { runTraceCmd } from "./trace-cmd.ts";
import { differenceOf } from "./trace-cmd-differences.ts";
import type { EventSelection } from "../../src/timeline/event-selection.ts";
import { finishExport } from "../../src/views/exporter.ts";
import type { Form } from "../../src/views/exporters.ts";
import { exporters } from "./exporters.ts";
import type { LineStyle } from "../../src/views/line-style.ts";
import { textExporter } from "../../src/views/text-exporter.ts";

/** Why there is nothing to compare with, or undefined. */
export function noTraceCmdReason(): string | undefined {
  return spawnSync("trace-cmd", ["--version"]).error === undefined ? undefined : "no trace-cmd to compare with";
}

/** `options` stand in front of the file: -F behind -i has no effect in 3.1.6. */
export function traceCmdReport(path: string, options: readonly string[] = []): string {
  const { stdout, stderr, status } = runTraceCmd(["report", ...options, path]);
  if (status !== 0) throw new Error(`trace-cmd report ${path}: ${status}: ${stderr}`);
  return stdout;
}

export function ourReport(
  path: string | readonly string[],
  { form = "text", style, ...selection }: EventSelection & PartSelection & { form?: Form; style?: LineStyle } = {},
): string {
  const opened = (typeof path === "string" ? [path] : path).flatMap((one) =>
    (isSession(one) ? sessionFiles(one) : [{ machine: basename(one, ".dat"), files: [one] }]).map(
      ({ machine, files: [file = ""] }) => ({
        machine,
        source: statSync(file).isDirectory() ? openSpool(file) : openTraceDat(file),
      }),
    ),
  );
  const parts: Buffer[] = [];
  try {
    const exporter = form === "text" ? textExporter(style) : exporters[form];
    finishExport(exporter.begin(partsOf(opened, selection), selection, (bytes) => parts.push(Buffer.from(bytes))));
  } finally {
    for (const { source } of opened) source.close();
  }
  return Buffer.concat(parts).toString("latin1");
}

export type ReportComparison = {
  lines: number;
  /** How often each known difference was there, by its name. */
  known: Record<string, number>;
  /** Lines that differ for no reason that is known. */
  others: { ours: string; theirs: string }[];
};

/** Line by line: what differs must be known, with its reason (trace-cmd-differences.ts). */
export function compareReports(
  path: string,
  selection: Parameters<typeof ourReport>[1] = {},
  options: readonly string[] = [],
  linesOf: (report: string) => string[] = (report) => report.split("\n"),
): ReportComparison {
  const ours = linesOf(ourReport(path, selection));
  const theirs = linesOf(traceCmdReport(path, options));
  const known: Record<string, number> = {};
  const others: ReportComparison["others"] = [];
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const [line, other] = [ours[index] ?? "(no line)", theirs[index] ?? "(no line)"];
    if (line === other) continue;
    const difference = differenceOf(other, line);
    if (difference === undefined) others.push({ ours: line, theirs: other });
    else known[difference] = (known[difference] ?? 0) + 1;
  }
  return { lines: ours.length, known, others };
}
