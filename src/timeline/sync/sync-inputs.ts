/** Which recordings are to be put on one timeline, which is the host's, and what is known of the others. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { AgentError } from "../../base/errors.ts";
import { statusOf } from "../../base/status-of.ts";
import type { GuestMap } from "../../events/trace-metadata.ts";
import { openTraceDat } from "../../trace-dat/read/reader.ts";
import { sessionFileName } from "../../trace-dat/session/names.ts";
import { joinSegments } from "../../trace-dat/session/joined-source.ts";
import { readSession, sessionFiles } from "../../trace-dat/session/read-session.ts";
import type { SessionFile, SessionOffset } from "../../trace-dat/session/session-file.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";

/** `files`: one, or the segments of the recording; their names are below the directory that they are in, and are copied to. */
export type SyncInput = {
  readonly name: string;
  readonly path: string;
  readonly files: readonly { readonly path: string; readonly name: string }[];
  readonly source: TraceSource;
  /** What its session tells of it. */
  readonly offset?: SessionOffset | undefined;
};

export type SyncInputs = {
  readonly host: SyncInput;
  readonly guests: readonly SyncInput[];
  readonly session: SessionFile | undefined;
  close(): void;
};

/** `paths`: the directory of a session, or files. `host`: which file is the host's, where none says so itself. */
export function openInputs(paths: readonly string[], host: string | undefined): SyncInputs {
  const [first = ""] = paths;
  const isDirectory = statusOf(first)?.isDirectory() === true;
  if (isDirectory && paths.length > 1)
    throw new AgentError("usage", `cannot sync "${first}" and others: a directory stands alone`, {
      remedy: "name the files of it that you mean",
    });
  const session = isDirectory ? sessionIn(first) : undefined;
  const files: Omit<SyncInput, "source" | "path">[] =
    session === undefined
      ? paths.map((path) => ({ name: basename(path).replace(/\.dat$/, ""), files: [{ path, name: basename(path) }] }))
      : filesIn(first);
  if (files.length < 2) throw new AgentError("usage", "sync needs the recording of a host and of a guest at least");
  const opened: SyncInput[] = [];
  const close = (): void => {
    for (const { source } of opened) source.close();
  };
  try {
    for (const { files: own, ...about } of files) {
      const opens = own.map(
        ({ path }) =>
          () =>
            openTraceDat(path),
      );
      const source = own.length === 1 ? opens[0]?.() : joinSegments(opens);
      if (source !== undefined) opened.push({ ...about, path: own[0]?.path ?? "", files: own, source });
    }
    const own = hostOf(opened, session, host);
    return { host: own, guests: opened.filter((input) => input !== own), session, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Those that are files, and whole enough to be read. */
function filesIn(directory: string): Omit<SyncInput, "source" | "path">[] {
  return sessionFiles(directory).flatMap(({ machine: name, offset, files }) => {
    const found = files.filter((path) => statusOf(path)?.isFile() === true);
    if (found.length === 0) return [];
    return [{ name, offset, files: found.map((path) => ({ path, name: path.slice(directory.length + 1) })) }];
  });
}

function sessionIn(directory: string): SessionFile {
  const path = `${directory}/${sessionFileName}`;
  if (!existsSync(path))
    throw new AgentError("input", `cannot sync "${directory}": it has no ${sessionFileName}`, {
      remedy: "name its files instead: the host's and the guests'",
    });
  return readSession(directory);
}

function hostOf(inputs: readonly SyncInput[], session: SessionFile | undefined, host: string | undefined): SyncInput {
  const name = session?.machines.find(({ kind }) => kind === "host")?.name;
  const found =
    host === undefined
      ? (inputs.find((input) => input.name === name) ??
        inputs.find(({ source }) => (source.metadata.guests ?? []).length > 0) ??
        (session === undefined ? inputs[0] : undefined))
      : inputs.find((input) => input.path === host || input.name === host);
  if (found !== undefined) return found;
  throw new AgentError("usage", host === undefined ? "none of the recordings is a host's" : `no recording "${host}"`, {
    remedy: "name the host's with --host",
  });
}

/** What the host's recording says of this guest. */
export function mapOf({ name, source }: SyncInput, host: SyncInput): GuestMap | undefined {
  const maps = host.source.metadata.guests ?? [];
  const { traceId } = source.metadata;
  return maps.find((map) => traceId !== undefined && map.traceId === traceId) ?? maps.find((map) => map.name === name);
}
