/** `trace-agent record` and `recover`, whole: spool, recording, file, summary. */
import { AgentError } from "../errors.ts";
import { log } from "../log.ts";
import type { Metadata } from "../protocol/metadata.ts";
import { writeAsIs } from "../standard-output.ts";
import { type Finished, finishSpool } from "./finish.ts";
import type { GuestDirectory } from "./guest-directory.ts";
import type { Wanted } from "./guest-settings.ts";
import { record } from "./recorder.ts";
import type { RecordLimits } from "./recording-watch.ts";
import { Spool } from "./spool.ts";
import { StatusLine } from "./status-line.ts";
import { StopSignals } from "./stop-signals.ts";
import { summaryText } from "./summary.ts";
import type { TraceDatFormat } from "./trace-dat/write.ts";

export type RecordOptions = {
  output: string;
  format: TraceDatFormat;
  wanted: Wanted;
  until: RecordLimits;
  /** Metadata that the user has from elsewhere. */
  metadata: Metadata | undefined;
};

export async function runRecord(guest: GuestDirectory, options: RecordOptions): Promise<void> {
  const spool = Spool.create(options.output);
  const signals = new StopSignals();
  const line = new StatusLine();
  let trouble: string | undefined;
  try {
    ({ trouble } = await record(guest, spool, options.wanted, options.until, {
      stopAsked: () => signals.asked,
      show: (watch) => line.show(watch),
    }));
  } catch (error) {
    line.clear();
    if (!(error instanceof AgentError) || spool.streams().every(({ bytes }) => bytes === 0)) {
      spool.remove();
      throw error;
    }
    trouble = error.text;
  } finally {
    line.clear();
    signals.close();
  }
  finish(spool, options.output, options.format, options.metadata, trouble);
}

/** The file out of the spool that a killed recorder left. */
export function runRecover(path: string, output: string, format: TraceDatFormat, metadata: Metadata | undefined): void {
  const spool = Spool.open(path);
  if (spool.streams().length === 0) {
    spool.close();
    throw new AgentError("io", `cannot recover "${path}": it holds no stream`, { remedy: "name the FILE.spool directory of a recorder" });
  }
  finish(spool, output, format, metadata, undefined);
}

function finish(spool: Spool, output: string, format: TraceDatFormat, metadata: Metadata | undefined, trouble: string | undefined): void {
  let finished: Finished;
  try {
    finished = finishSpool(spool, output, format, metadata);
  } catch (error) {
    spool.close();
    if (trouble !== undefined) log.error(`the recording ended early: ${trouble}`);
    if (!(error instanceof AgentError)) throw error;
    throw new AgentError(error.kind, `${error.message}; what was received is kept in ${spool.path}`, {
      remedy: `make room, then: trace-agent recover ${spool.path} -o FILE`,
      cause: error,
    });
  }
  // Without metadata the spool is worth keeping: with them a better file can be made of it.
  const complete = finished.metadata.files["events/header_event"] !== undefined;
  if (complete) spool.remove();
  else spool.close();
  for (const warning of finished.warnings) log.warn(warning);
  if (!complete) log.warn(`kept ${spool.path}: trace-agent recover ${spool.path} --metadata FILE -o ${output}`);
  writeAsIs(Buffer.from(summaryText(output, finished)));
  if (trouble !== undefined) throw new AgentError("io", `the recording ended early: ${trouble}`, { remedy: `${output} holds all that was received` });
}
