/** `trace-agent export`: a recording as a trace that Perfetto opens. */
import { messageOf, AgentError } from "../errors.ts";
import { log } from "../log.ts";
import { openRecording } from "./open-recording.ts";
import { type ExportResult, PerfettoExport } from "./perfetto/export.ts";
import { OutputFile } from "./trace-dat/output-file.ts";

export type ExportOptions = { path: string; output: string };

/** Clocks that count ns, as Perfetto takes all time stamps. */
const nanosecondClocks = /^(?:local|global|perf|boot|tai|mono.*)$/;

/** Writes `output`, which appears when it is whole. Throws an AgentError. */
export function exportRecording({ path, output }: ExportOptions): ExportResult {
  const source = openRecording(path);
  try {
    const { clock } = source.metadata;
    if (!nanosecondClocks.test(clock)) log.warn(`the clock "${clock}" does not count ns: durations in Perfetto will be wrong`);
    const file = openOutput(output);
    try {
      const result = new PerfettoExport(source, (bytes) => file.write(bytes)).run();
      file.finish();
      return result;
    } catch (error) {
      file.abandon();
      throw error instanceof AgentError ? error : new AgentError("io", `cannot write "${output}": ${messageOf(error)}`, { cause: error });
    }
  } finally {
    source.close();
  }
}

function openOutput(path: string): OutputFile {
  try {
    return new OutputFile(path);
  } catch (cause) {
    throw new AgentError("io", `cannot write "${path}": ${messageOf(cause)}`, { cause });
  }
}

/** One line about what was written, and warnings about what could not be. */
export function exportSummary(result: ExportResult, output: string): string {
  const { events, lostEvents, unknownLosses, unknownEvents, damagedSubBuffers, skippedCpus } = result;
  if (unknownEvents > 0) log.warn(`${unknownEvents} events have no format in the recording and were left out`);
  if (damagedSubBuffers > 0) log.warn(`${damagedSubBuffers} sub-buffers could not be read to their end`);
  if (skippedCpus > 0) log.warn(`${skippedCpus} CPUs were left out: Perfetto takes 1024`);
  const lost = unknownLosses > 0 ? `${lostEvents} and ${unknownLosses} times an unknown number` : String(lostEvents);
  return `${output}: ${events} events, ${lost} lost before they were recorded`;
}

/** trace.dat -> trace.pftrace. */
export function defaultOutput(path: string): string {
  return `${path.replace(/\/+$/, "").replace(/\.dat$/, "")}.pftrace`;
}
