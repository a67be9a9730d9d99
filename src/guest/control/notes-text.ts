/** The text of a session's notes (session-notes.ts). It may be another's, of another boot, or cut short. */
import type { EarlierValue } from "./settings.ts";

export type NotesHeader = { boot: string; directory: string };

const kind = "trace-agent session";
const version = 1;

export function headerOf({ boot, directory }: NotesHeader): string {
  return `${JSON.stringify({ kind, version, boot, directory })}\n`;
}

/** Undefined where it is none of this version. */
export function readHeader(line: string): NotesHeader | undefined {
  const fields = parse(line);
  const { boot, directory } = fields;
  if (fields["kind"] !== kind || fields["version"] !== version) return undefined;
  return typeof boot === "string" && typeof directory === "string" ? { boot, directory } : undefined;
}

/** "clock", "filter sched:sched_switch". The settings know which exist. */
const placeId = /^[a-z_]{1,32}(?: [\w:-]{1,256}){0,2}$/;

/** The last value of each place. Empty if boot or tracing directory differ. */
export function readNotes(text: string, expected: NotesHeader): EarlierValue[] {
  const [first = "", ...lines] = text.split("\n");
  const header = readHeader(first);
  if (header === undefined || header.boot !== expected.boot || header.directory !== expected.directory) return [];
  const values = new Map<string, string>();
  // Text after the last newline was cut by the kill: the change that it notes was not made.
  for (const line of lines.slice(0, -1)) {
    const fields = parse(line);
    const { key, value } = fields;
    if (typeof key === "string" && placeId.test(key) && typeof value === "string") values.set(key, value);
  }
  return [...values].map(([key, value]) => ({ key, value }));
}

function parse(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
  } catch {
    return {};
  }
}
