/** The parts of what is shown together: each ring buffer of each machine. */
import { foreignText } from "../base/foreign-text.ts";
import { AgentError } from "../base/errors.ts";
import type { SessionOffset } from "./session/session-file.ts";
import type { TraceSource } from "./trace-source.ts";

/** The events of one ring buffer of one machine. */
export type RecordedPart = {
  /** "" where there is only one machine. */
  readonly machine: string;
  /** "" is the top-level one. */
  readonly buffer: string;
  readonly source: TraceSource;
  readonly about?: RecordedAbout | undefined;
};

/** What the directory of a session, or a file's name, says of a recording. */
export type RecordedAbout = {
  readonly file: string;
  readonly path: string;
  /** Its name also where it is the only one. */
  readonly machine: string;
  /** "file" is a recording without a session. */
  readonly kind: "host" | "guest" | "file";
  /** Of the machine's recordings in the session, from 1 on. */
  readonly segment: number;
  /** When the session began, UTC. */
  readonly session?: string | undefined;
  /** UTC. */
  readonly started?: string | undefined;
  /** From its clock to the host's. */
  readonly offset?: SessionOffset | undefined;
};

export type PartSelection = {
  machines?: readonly string[] | undefined;
  buffers?: readonly string[] | undefined;
};

/** `several`: parts bear their machine's name. Throws a usage error for a selection of what is not there. */
export function partsOf(
  opened: readonly { machine: string; source: TraceSource; about?: RecordedAbout | undefined }[],
  { machines, buffers }: PartSelection = {},
  several = opened.length > 1,
): RecordedPart[] {
  const parts = opened.flatMap(({ machine, source, about }) => buffersOf(several ? machine : "", source, about));
  requireNames("machine", machines, [...new Set(opened.map(({ machine }) => machine))]);
  requireNames("buffer", buffers, [...new Set(parts.map(({ buffer }) => buffer))]);
  return parts.filter(
    ({ machine, buffer }) =>
      (machines === undefined || !several || machines.includes(machine)) &&
      (buffers === undefined || buffers.includes(buffer)),
  );
}

/** Buffers without events are left out, unless there is no other. */
function buffersOf(machine: string, source: TraceSource, about: RecordedAbout | undefined): RecordedPart[] {
  const all = source.buffers ?? [];
  const filled = all.filter(({ isEmpty }) => !isEmpty);
  if (filled.length === 0) return [{ machine, buffer: foreignText(all[0]?.name ?? ""), source, about }];
  return filled.map(({ name, source: own }) => ({ machine, buffer: foreignText(name), source: own, about }));
}

function requireNames(
  what: "machine" | "buffer",
  wanted: readonly string[] | undefined,
  known: readonly string[],
): void {
  const unknown = wanted?.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const names = known.map((name) => (name === "" ? '"" (the top-level one)' : `"${name}"`)).join(", ");
  throw new AgentError("usage", `cannot select ${what} "${unknown}": the recording has no such ${what}`, {
    remedy: `it has ${names}`,
  });
}
