/** `trace-agent report`, `export` and `open`: a recording in one of its forms, to stdout or into a file. */
import { fstatSync } from "node:fs";
import { placeError } from "../base/directory.ts";
import { EndRequest, letEventsThrough } from "../base/end-request.ts";
import { errnoOf } from "../base/errors.ts";
import { LiveOutput } from "../base/live-output.ts";
import { log } from "../base/log.ts";
import { OutputFile, refuseTerminal } from "../base/output-file.ts";
import { OutputPlace, type OutputRequest } from "../base/output-place.ts";
import { type EventSelection, timeRangeBefore } from "../timeline/event-selection.ts";
import { openRecordings, type Recordings } from "../trace-dat/open-recording.ts";
import type { PartSelection, RecordedPart } from "../trace-dat/parts.ts";
import { ExportProgress } from "./export-progress.ts";
import { type Exporter, type Export, type ExportResult, finishExport } from "./exporter.ts";
import { exporters, type Form, type FormOptions } from "./exporters.ts";
import { unplacedTexts } from "./offset-text.ts";
import { viewLimits } from "./limits.ts";

export type ExportRequest = FormOptions & {
  /** Files, spools and directories of sessions. */
  paths: readonly string[];
  /** Of several machines and ring buffers. */
  chosen?: PartSelection;
  form: Form;
  selection?: EventSelection;
  output: OutputRequest;
};

/** `name`: of the written file; `streamed`: it was written sequentially to something other than a regular file. */
export type Exported = { isWhole: boolean; amount: string; name: string; streamed: boolean };

type Work = { parts: readonly RecordedPart[]; exporter: Exporter; selection: EventSelection; progress: ExportProgress };

/** A file appears when it is complete. Logs what the user should know. Throws an AgentError, or ReaderGone. */
export async function exportRecording(request: ExportRequest): Promise<Exported> {
  const { paths, chosen, form, selection = {}, output } = request;
  const exporter = await exporters[form](request);
  const recordings = await openRecordings(paths, chosen, { times: timeRangeBefore(selection) });
  for (const text of unplacedTexts(recordings.parts)) log.warn(text);
  const progress = new ExportProgress();
  try {
    const work = { parts: progress.watch(recordings.parts), exporter, selection, progress };
    const place = OutputPlace.find(output.path, { ...output, stream: true });
    try {
      if (output.path === "-" && exporter.binary === undefined)
        return { ...judged(await toReader(work), recordings), name: "-", streamed: true };
      if (exporter.binary !== undefined)
        refuseTerminal(place, exporter.binary, "send it to a file or a program: trace-agent export FILE -o - | ...");
      return {
        ...judged(toPlace(work, place), recordings),
        name: place.path,
        streamed: place.descriptor !== undefined,
      };
    } finally {
      place.close();
    }
  } catch (error) {
    throw errnoOf(error) === undefined ? error : placeError(paths.join('", "'), "read", error);
  } finally {
    progress.clear();
    recordings.close();
  }
}

/** Whole only if everything that was opened is. */
export function judged(result: ExportResult, { parts, isDamaged }: Recordings): ExportResult {
  const isWhole = result.isWhole && !isDamaged && parts.every(({ source }) => source.isDamaged !== true);
  return { ...result, isWhole };
}

function toPlace({ parts, exporter, selection, progress }: Work, place: OutputPlace): ExportResult {
  const file = new OutputFile(place);
  try {
    const exporting = exporter.begin(parts, selection, (bytes) => file.write(bytes));
    const result = finishExport(exporting, () => progress.show());
    tell(result, progress);
    file.finish();
    return result;
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** Signals are handled between events and while the reader takes nothing; finished output is still written. */
async function toReader({ parts, exporter, selection, progress }: Work): Promise<ExportResult> {
  const output = new LiveOutput();
  // All of it works at once and can be large: until it is done, a signal ends the program.
  const exporting = exporter.begin(parts, selection, (bytes) => output.writeThrough(bytes));
  const end = new EndRequest();
  try {
    // Anything but a file is shown by its reader, perhaps on the same terminal.
    const isFile = fstatSync(1).isFile();
    await takeSteps(exporting, output, end, isFile ? progress : undefined);
    const result = exporting.finish(end.signal);
    tell(result, progress);
    const givenUpMs = performance.now() + viewLimits.flushMs;
    await output.drain(() => end.count > 1 || (end.count > 0 && performance.now() > givenUpMs));
    return result;
  } finally {
    end.close();
    output.close();
  }
}

async function takeSteps(
  exporting: Export,
  output: LiveOutput,
  end: EndRequest,
  progress: ExportProgress | undefined,
): Promise<void> {
  const isFull = (): boolean => {
    output.flush();
    return output.pendingBytes > viewLimits.pendingBytes;
  };
  while (end.count === 0 && exporting.step(isFull)) {
    if (isFull()) await output.drain(() => end.count > 0);
    progress?.show();
    await letEventsThrough();
  }
}

export function tell({ warnings }: ExportResult, progress: ExportProgress): void {
  progress.clear();
  for (const warning of warnings) log.warn(warning);
}

/** Default output: trace.dat -> trace.pftrace, or stdout; of several files it has the first one's name. */
export async function defaultOutput([path = ""]: readonly string[], form: Form): Promise<string> {
  const { ending } = await exporters[form]();
  return ending === undefined ? "-" : `${path.replace(/\/+$/, "").replace(/\.dat$/, "")}${ending}`;
}
