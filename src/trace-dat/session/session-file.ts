/**
 * session.json: what a directory of recordings of several machines holds, and what is known of them. It is rewritten at each
 * step, so that it is right when the recorder is killed. Keys beyond the schema are passed over: a newer recorder may have
 * written it; a higher version is refused. Keys are never renamed.
 */
import * as v from "valibot";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { traceDatLimits } from "../limits.ts";
import { sessionKind } from "./names.ts";

const sessionVersion = 1;

const text = v.pipe(v.string(), v.maxLength(traceDatLimits.sessionTextChars));
/** Also of a directory below this one, which must be no other. */
const name = v.pipe(v.string(), v.maxLength(traceDatLimits.nameChars), v.regex(/^(?!\.\.?$)[^\p{Cc}/]+$/u));
/** A path below the directory, which leads nowhere else. */
const path = v.pipe(
  v.string(),
  v.maxLength(traceDatLimits.sessionTextChars),
  v.regex(/^(?!\.\.?(?:\/|$))[^\p{Cc}/]+(?:\/(?!\.\.?(?:\/|$))[^\p{Cc}/]+)*$/u),
);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const signedDigits = v.pipe(v.string(), v.regex(/^-?\d{1,20}$/));
/** ns; beyond 104 days nothing is known. */
const bound = v.pipe(v.number(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
/** Of an offset: what a time of 64 bits can be away from another. */
const offsetDigits = v.pipe(
  signedDigits,
  v.check((digits) => BigInt.asIntN(64, BigInt(digits)) === BigInt(digits)),
);
const list = <const T extends v.GenericSchema>(of: T) =>
  v.pipe(v.array(of), v.maxLength(traceDatLimits.sessionEntriesMax));
const byName = <const T extends v.GenericSchema>(of: T) => v.optional(v.record(name, of), {});

/** Between these times of a machine's clock, of which `to` may be the earlier one, its offset jumped, by so many ns. */
const step = v.object({ from: signedDigits, to: signedDigits, ns: signedDigits });

/** From `from` to `to` of a machine's clock its offset is at most so far off; found by causality, or kept from round trips. */
const window = v.object({
  from: signedDigits,
  to: signedDigits,
  boundNs: bound,
  method: v.picklist(["causality", "round trips"]),
});

/**
 * What is added to a machine's times to get the host's: at most `boundNs` off where both were recorded, but between the times of a
 * step. Its samples are in its file. `windows`: how well it is known in parts of the recording, at most 64.
 */
const offset = v.object({
  ns: v.optional(offsetDigits),
  boundNs: v.optional(bound),
  method: v.picklist(["causality", "round trips", "unknown"]),
  reason: v.optional(text),
  samples: v.optional(count),
  events: v.optional(count),
  inside: v.optional(count),
  steps: v.optional(list(step)),
  windows: v.optional(list(window)),
});

/**
 * One trace.dat of a machine. recording: its spool is still filled, or was when the recorder was killed; whole: nothing is
 * missing; incomplete: see `reason`. `started`, `ended`: UTC.
 */
const recording = v.object({
  file: path,
  state: v.picklist(["recording", "whole", "incomplete"]),
  reason: v.optional(text),
  traceId: v.optional(v.pipe(v.string(), v.regex(/^\d{1,20}$/))),
  started: v.optional(text),
  ended: v.optional(text),
  bytes: v.optional(count),
  events: v.optional(count),
  /** Of a segment or a snapshot: its number in the session; segments of all machines that were cut together have the same. */
  number: v.optional(count),
  /** Times of the machine's clock between which its sub-buffers begin. */
  from: v.optional(signedDigits),
  to: v.optional(signedDigits),
  /** Times of the machine's clock, which is named: when its first sub-buffer begins, and of its last event. */
  clock: v.optional(text),
  first: v.optional(signedDigits),
  last: v.optional(signedDigits),
  /** What its own file adds to a guest's times, at most `boundNs` off. */
  offsetNs: v.optional(signedDigits),
  boundNs: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0))),
  /** Of a snapshot: what asked for it. */
  trigger: v.optional(text),
  /** Its clock stepped: the recording before it ends there, and this one begins. How this one is placed is told by itself. */
  step: v.optional(step),
  offset: v.optional(offset),
});

/** `leftOut`: why it was not recorded. */
const machine = v.object({
  name,
  kind: v.picklist(["host", "guest"]),
  leftOut: v.optional(text),
  recordings: v.optional(list(recording), []),
  /** Recordings that were removed to make room, their events, and the highest number that one of them had. */
  removed: v.optional(v.object({ recordings: count, events: count, number: v.optional(count) })),
});

/** A machine was not recorded between these times, UTC. */
const gap = v.object({ machine: name, from: text, to: text, reason: v.optional(text) });

/** Events of a machine's recordings that are not in them, by why. `other`: bytes that were lost in transit. */
const losses = v.object({
  overrun: count,
  dropped: count,
  transit: count,
  takenByAnotherReader: count,
  notServed: count,
});

const session = v.object({
  kind: v.literal(sessionKind),
  version: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  recorder: v.optional(text),
  started: v.optional(text),
  ended: v.optional(text),
  machines: list(machine),
  /** By machine, the trace clock of its recordings. */
  clocks: byName(text),
  offsets: byName(offset),
  losses: byName(losses),
  gaps: v.optional(list(gap)),
});

export type SessionRecording = v.InferOutput<typeof recording>;
export type SessionMachine = v.InferOutput<typeof machine>;
export type SessionOffset = v.InferOutput<typeof offset>;
export type SessionLosses = v.InferOutput<typeof losses>;
export type SessionFile = Omit<v.InferOutput<typeof session>, "kind" | "version">;

const bounds = { depthMax: traceDatLimits.sessionDepthMax, valuesMax: traceDatLimits.sessionValuesMax };

/** `where`: its path, for messages. Throws an AgentError that says what is wrong with it. */
export function readSessionFile(bytes: Uint8Array, where: string): SessionFile {
  let value: unknown;
  try {
    value = parseBoundedJson(Buffer.from(bytes).toString("utf8"), bounds);
  } catch (cause) {
    throw new AgentError("input", `cannot read "${where}": ${messageOf(cause)}`, { cause });
  }
  const parsed = v.safeParse(session, value);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const key = v.getDotPath(issue) ?? "";
    throw new AgentError("input", `cannot read "${where}": it is no session of trace-agent${key && ` ("${key}")`}`);
  }
  const { kind: _, version, ...file } = parsed.output;
  if (version > sessionVersion) {
    throw new AgentError("input", `cannot read "${where}": it has version ${version}, ${sessionVersion} is known`, {
      remedy: "use a newer trace-agent",
    });
  }
  const names = file.machines.map((one) => one.name);
  if (new Set(names).size < names.length)
    throw new AgentError("input", `cannot read "${where}": two machines have one name`);
  const files = file.machines.flatMap(({ recordings }) => recordings.filter(({ state }) => state !== "recording"));
  if (new Set(files.map((one) => one.file)).size < files.length)
    throw new AgentError("input", `cannot read "${where}": two recordings have one file`);
  return file;
}

export function isMachineName(word: string): boolean {
  return v.is(name, word);
}

export function sessionText(file: SessionFile): string {
  return `${JSON.stringify({ kind: sessionKind, version: sessionVersion, ...file }, undefined, 2)}\n`;
}
