/** `trace-agent report`: a recording as text, as JSON lines, or summed up. */
import { ByteWriter } from "../kernel/byte-writer.ts";
import { EventJson } from "../kernel/event-json.ts";
import type { EventSelection } from "../kernel/event-selection.ts";
import { EventStream } from "../kernel/event-stream.ts";
import { EventText } from "../kernel/event-text.ts";
import type { TraceSource } from "../kernel/trace-source.ts";
import { TraceStatistics } from "../kernel/trace-statistics.ts";
import { log } from "../log.ts";
import { openRecording } from "./open-recording.ts";
import { summaryText } from "./report-summary.ts";
import { ReaderGone, writeStandardOutput } from "../standard-output.ts";

export type ReportOptions = EventSelection & { path: string; form: "text" | "json" | "summary" };

/** Throws an AgentError. */
export function runReport(options: ReportOptions): void {
  const source = openRecording(options.path);
  try {
    writeReport(source, options, writeStandardOutput);
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error;
  } finally {
    source.close();
  }
}

export function writeReport(source: TraceSource, options: Omit<ReportOptions, "path">, write: (bytes: Uint8Array) => void): void {
  const out = new ByteWriter(write);
  const damaged = new Map<number, { count: number; what: string }>();
  const noteDamage = (cpu: number, what: string): void => {
    damaged.set(cpu, { count: (damaged.get(cpu)?.count ?? 0) + 1, what });
  };
  if (options.form === "summary") writeSummary(source, options, out, noteDamage);
  else writeEvents(source, options, out, noteDamage);
  out.flush();
  for (const [cpu, { count, what }] of damaged) log.warn(`CPU ${cpu}: ${count} sub-buffers could not be read to their end: ${what}`);
}

type NoteDamage = (cpu: number, what: string) => void;

function writeEvents(source: TraceSource, options: Omit<ReportOptions, "path">, out: ByteWriter, noteDamage: NoteDamage): void {
  let printer: EventText | EventJson | undefined;
  const stream = new EventStream(source, options, { lost: (cpu, count) => printer?.lost(cpu, count), damaged: noteDamage });
  const { catalog, record, epoch } = stream;
  if (options.form === "json") {
    const json = new EventJson(catalog, out, epoch);
    printer = json;
    while (stream.next()) json.line(record, stream.kind);
    return;
  }
  const text = new EventText(catalog, out, epoch, stream.inNanoseconds);
  printer = text;
  out.text(`cpus=${source.cpus.length}\n`);
  while (stream.next()) text.line(record, stream.kind);
  text.finish();
}

function writeSummary(source: TraceSource, options: Omit<ReportOptions, "path">, out: ByteWriter, noteDamage: NoteDamage): void {
  // Damage may be told of before there is anything to count it with.
  const summary: { statistics?: TraceStatistics } = {};
  const stream = new EventStream(source, options, {
    lost: (cpu, count) => summary.statistics?.lost(cpu, count),
    damaged: (cpu, what) => {
      noteDamage(cpu, what);
      summary.statistics?.damaged(cpu);
    },
  });
  const statistics = new TraceStatistics(stream.catalog);
  summary.statistics = statistics;
  for (const cpu of source.cpus) statistics.cpu(cpu);
  while (stream.next()) statistics.add(stream.record, stream.kind);
  out.text(summaryText(statistics, source.metadata, stream));
}
