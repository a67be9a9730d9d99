/**
 * What all forms of a recording share: text, JSON, summary, Perfetto. A new form is one file with an Exporter, and
 * its line in exporters.ts; export.ts does the reading, writing, signals and damage.
 */
import type { Directory } from "../base/directory.ts";
import type { EventSelection } from "../timeline/event-selection.ts";
import type { RecordedPart } from "../trace-dat/parts.ts";

export type Exporter = {
  /** Name of the output if it must not go to a terminal: "a trace for Perfetto". */
  readonly binary?: string;
  /** Ending of the default output file; without one the output goes to stdout. */
  readonly ending?: string;
  /** `write` receives the bytes; they are valid until it returns. Throws an AgentError. */
  begin(parts: readonly RecordedPart[], selection: EventSelection, write: (bytes: Uint8Array) => void): Export;
};

/** A form that is a directory of files, which it makes itself, each complete when it appears. */
export type DirectoryExporter<Names, Place extends Directory = Directory> = {
  /** The directory may hold earlier exports. Throws an AgentError. */
  begin(parts: readonly RecordedPart[], directory: Place, options: Names & { group: number | undefined }): Export;
};

/** A recording that is being exported. */
export type Export = {
  /** Works for a moment, or until `isFull` says that enough was written. False when everything is done. */
  step(isFull: () => boolean): boolean;
  /** Writes the rest, once. `endedBy`: the signal that stopped the export. */
  finish(endedBy?: string): ExportResult;
};

export type ExportResult = {
  /** The whole recording could be read. */
  isWhole: boolean;
  /** What the user should know, in order. */
  warnings: string[];
  /** Summary for a user who sees only the file's name: "12 events, 3 lost before they were recorded". */
  amount: string;
};

/** Runs an export to its end. `between`: called after each step. */
export function finishExport(exporting: Export, between: () => void = () => {}): ExportResult {
  while (exporting.step(() => false)) between();
  return exporting.finish();
}
