/** What session.json tells of a recording that lies in several files, since its clock stepped while it was made. */
import { joinOffsets, toldSteps } from "../../timeline/sync/told-offset.ts";
import type { SessionMachine, SessionOffset, SessionRecording } from "../../trace-dat/session/session-file.ts";
import type { Finished } from "../../trace-dat/spool/finish.ts";
import type { PlacedPart } from "./guest-parts.ts";

/** `recordings`: of the parts, of which the first is known to the machine. `reasons`: why the recording is not whole. */
export function noteParts(
  machine: SessionMachine,
  recordings: readonly SessionRecording[],
  parts: readonly PlacedPart[],
  { files }: Finished,
  reasons: readonly string[],
): void {
  const [first] = recordings;
  if (first === undefined) return;
  const { started = new Date().toISOString(), ended = new Date().toISOString() } = first;
  const starts = parts.map((part) => startOf(part, parts[0], started));
  for (const [index, one] of recordings.entries()) {
    const isLast = index === recordings.length - 1;
    const part = parts[index];
    const offset = part && offsetOf(part);
    const step = part?.step;
    one.state = isLast && reasons.length > 0 ? "incomplete" : "whole";
    one.started = starts[index] ?? started;
    one.ended = starts[index + 1] ?? ended;
    Object.assign(one, files[index]);
    if (isLast && reasons.length > 0) one.reason = reasons.join("; ");
    else if (!isLast) one.reason = "its clock stepped";
    else delete one.reason;
    if (recordings.length > 1 && offset !== undefined) one.offset = offset;
    const [begun] = step === undefined ? [] : (toldSteps([step]).steps ?? []);
    if (begun !== undefined) one.step = begun;
  }
  machine.recordings.splice(machine.recordings.indexOf(first) + 1, 0, ...recordings.slice(1));
}

/** Of one part. Events between the times of the step with which it begins may belong to the one before. */
export function offsetOf({ step, offset }: PlacedPart): SessionOffset | undefined {
  return offset === undefined || step === undefined ? offset : { ...offset, ...toldSteps([step]) };
}

/** By the host's clock, as far after the first one as its events are. */
function startOf({ times, offset }: PlacedPart, first: PlacedPart | undefined, started: string): string {
  if (times === undefined || first?.times === undefined) return started;
  if (offset?.ns === undefined || first.offset?.ns === undefined) return started;
  const afterNs = times.first + BigInt(offset.ns) - first.times.first - BigInt(first.offset.ns);
  return new Date(Date.parse(started) + Number(afterNs) / 1e6).toISOString();
}

/** Of all parts together. */
export function joinedOffset(parts: readonly PlacedPart[]): SessionOffset | undefined {
  return joinOffsets(parts.flatMap((part) => offsetOf(part) ?? []));
}
