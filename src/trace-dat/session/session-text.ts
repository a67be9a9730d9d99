/** session.json as text. Of recordings that change no more it is kept: of a recorder of weeks they are thousands, and each cut writes the file anew. */
import { sessionKind } from "./names.ts";
import { type SessionFile, type SessionRecording, sessionVersion } from "./session-file.ts";

const spaces = 2;
/** Where the recordings of a machine stand, and one of them, in that text. */
const [listIndent, entryIndent] = [" ".repeat(6), " ".repeat(8)];
/** A number, where a list belongs: no text holds a line like it. */
const place = `\n${listIndent}"recordings": 0`;

const settled = new WeakSet<SessionRecording>();
const texts = new WeakMap<SessionRecording, string>();

/** Changes no more, but by `amendRecording`. */
export function settleRecording(recording: SessionRecording): void {
  settled.add(recording);
}

export function amendRecording(recording: SessionRecording, change: Partial<SessionRecording>): void {
  texts.delete(recording);
  Object.assign(recording, change);
}

export function sessionText(file: SessionFile): string {
  const machines = file.machines.map((machine) => ({ ...machine, recordings: 0 }));
  const session = { kind: sessionKind, version: sessionVersion, ...file, machines };
  const [first = "", ...others] = JSON.stringify(session, undefined, spaces).split(place);
  const lists = others.map((rest, index) => `${listOf(file.machines[index]?.recordings ?? [])}${rest}`);
  return `${first}${lists.join("")}\n`;
}

function listOf(recordings: readonly SessionRecording[]): string {
  const entries = recordings.map((one) => `\n${entryIndent}${texts.get(one) ?? newText(one)}`);
  const list = entries.length === 0 ? "[]" : `[${entries.join(",")}\n${listIndent}]`;
  return `\n${listIndent}"recordings": ${list}`;
}

function newText(recording: SessionRecording): string {
  const text = JSON.stringify(recording, undefined, spaces).replaceAll("\n", `\n${entryIndent}`);
  if (settled.has(recording)) texts.set(recording, text);
  return text;
}
