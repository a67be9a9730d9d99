/** Files of a recording that session.json does not name: who made them was killed before it could, and they are made again. */
import { AgentError } from "../../base/errors.ts";
import { openTraceDat } from "../../trace-dat/read/reader.ts";
import type { SessionMachine } from "../../trace-dat/session/session-file.ts";
import type { SessionDirectory } from "./session-directory.ts";

/** The recording's spool holds all that is in them. */
export function removeUnknownFiles(
  directory: SessionDirectory,
  { name, recordings }: SessionMachine,
  traceId: string,
): void {
  const named = new Set(recordings.map(({ file }) => file));
  for (const file of directory.list()) {
    if (named.has(file) || !file.startsWith(name) || !/^-\d+\.dat$/.test(file.slice(name.length))) continue;
    const { directory: place, path } = directory.placeOf({ file, state: "recording" });
    if (isOf(path, traceId)) place?.remove(file);
  }
}

/** Whether a file is of the recording with this ID. */
export function isOf(path: string, traceId: string): boolean {
  try {
    const source = openTraceDat(path);
    source.close();
    return `${source.metadata.traceId ?? ""}` === traceId;
  } catch (error) {
    if (error instanceof AgentError) return false;
    throw error;
  }
}
