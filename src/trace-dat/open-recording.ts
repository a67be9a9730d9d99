/**
 * Recordings by their paths: a trace.dat, the spool directory of an unfinished recording, the directory of a recording of
 * several machines, or any number of these. What only some of them need is loaded with them.
 */
import { basename } from "node:path";
import { AgentError } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import { log } from "../base/log.ts";
import { statusOf } from "../base/status-of.ts";
import { type PartSelection, partsOf, type RecordedAbout, type RecordedPart } from "./parts.ts";
import type { ShownTimes } from "./session/segments-within.ts";
import type { SessionFiles } from "./session/read-session.ts";
import { openTraceDat } from "./read/reader.ts";
import { isSession } from "./session/is-session.ts";
import type { TraceSource } from "./trace-source.ts";

export type Recordings = {
  readonly parts: readonly RecordedPart[];
  /** Another recording of the same directory cannot be read, which was told. */
  readonly isDamaged: boolean;
  close(): void;
};

/**
 * Throws an AgentError, also for a selection of what is not there. `apart`: segments of a recording are not joined, and files are in
 * memory only from the time that one is read until it is released. `times`: segments that have no events of these are not opened.
 */
export async function openRecordings(
  paths: readonly string[],
  selection: PartSelection = {},
  { apart = false, times }: { apart?: boolean; times?: ShownTimes | undefined } = {},
): Promise<Recordings> {
  const opened: { machine: string; source: TraceSource; about: RecordedAbout }[] = [];
  const close = (): void => {
    for (const { source } of opened.splice(0)) source.close();
  };
  const failures: AgentError[] = [];
  try {
    for (const path of paths) {
      const before = opened.length;
      const recordings = await filesOf(path, apart, times);
      for (const { files, label, ...about } of recordings) {
        try {
          const source = await openJoined(files, apart);
          const [first = path] = files;
          opened.push({ machine: label, source, about: { file: basename(path), path: first, ...about } });
        } catch (error) {
          // One machine's is no reason to show none of the others.
          if (!(error instanceof AgentError) || recordings.length === 1) throw error;
          failures.push(error);
          log.warn(`${label} is left out: ${error.text}`);
        }
      }
      const [failure] = failures;
      if (opened.length === before && failure !== undefined) throw failure;
    }
    const several = opened.length + failures.length > 1;
    return { parts: partsOf(opened, selection, several), isDamaged: failures.length > 0, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Segments are read as the one recording that they were cut from. */
async function openJoined(files: readonly string[], onDemand: boolean): Promise<TraceSource> {
  const [first = ""] = files;
  if (files.length <= 1) return openRecording(first, onDemand);
  const { openSpool } = await import("./spool/source.ts");
  const { joinSegments } = await import("./session/joined-source.ts");
  const open = (path: string): TraceSource => (isDirectory(path) ? openSpool(path) : openTraceDat(path));
  return joinSegments(files.map((file) => () => open(file)));
}

/** A file, or a spool, which brings the protocol's replies with it. Throws an AgentError that says what is wrong with it. */
async function openRecording(path: string, onDemand: boolean): Promise<TraceSource> {
  if (isDirectory(path)) {
    const { openSpool } = await import("./spool/source.ts");
    return openSpool(path);
  }
  const open = (): TraceSource => openTraceDat(path);
  const source = onDemand ? (await import("./source-on-demand.ts")).sourceOnDemand(path, open) : open();
  for (const warning of source.warnings ?? []) log.warn(`"${path}": ${foreignText(warning)}`);
  return source;
}

function isDirectory(path: string): boolean {
  return statusOf(path)?.isDirectory() === true;
}

/** `machine`: the name in a session, or the file's own. */
async function filesOf(path: string, apart: boolean, times: ShownTimes | undefined): Promise<SessionFiles[]> {
  if (isSession(path)) {
    const { sessionFiles } = await import("./session/read-session.ts");
    return sessionFiles(path, apart, times);
  }
  const machine = basename(path).replace(/\.dat(?:\.spool)?$/, "");
  return [{ machine, label: machine, files: [path], kind: "file", segment: 1 }];
}
