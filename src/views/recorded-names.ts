/** What a recording is called among others: of which host, guest, session and day it is, by what is known of it. */
import { AgentError } from "../base/errors.ts";
import { statusOf } from "../base/status-of.ts";
import type { RecordedAbout, RecordedPart } from "../trace-dat/parts.ts";
import { parseUname } from "./perfetto/packets.ts";

/** Throws a usage error for names that do not fit what is exported: those of a guest and a day are a lone file's. */
export function checkNames(parts: readonly RecordedPart[], { guest, date }: GivenNames): void {
  const files = new Set(parts.flatMap(({ about }) => (about?.kind === "file" ? [about.path] : [])));
  const isLone = files.size === 1 && parts.every(({ about }) => about?.kind === "file");
  if (!isLone && (guest !== undefined || date !== undefined))
    throw new AgentError("usage", "cannot give several recordings one --guest-name or --date", {
      remedy: "export a lone FILE with them",
    });
  if (date !== undefined && !isDate(date))
    throw new AgentError("usage", `cannot read --date "${date}": it is no day`, { remedy: "write it as 2026-11-30" });
}

function isDate(text: string): boolean {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : NaN;
  return Number.isFinite(ms) && dayOf(ms) === text;
}

/** "": it is not known. */
export type RecordedNames = {
  /** UTC: 2026-11-30. */
  date: string;
  host: string;
  guest: string;
  /** The start of the session, or a lone file's trace id. */
  session: string;
  /** Of the machine's recordings in the session, from 1 on. */
  segment: number;
};

/** Names that a user gives. */
export type GivenNames = { host?: string | undefined; guest?: string | undefined; date?: string | undefined };

/** `parts`: what is shown with it, where its host may be. */
export function recordedNames(
  { about, source }: RecordedPart,
  parts: readonly RecordedPart[],
  given: GivenNames = {},
): RecordedNames {
  const node = nodeOf(source.metadata.uname);
  const changed = changedMs(about);
  const { traceId = 0n } = source.metadata;
  return {
    date: given.date ?? dayOf(utcMs(about?.started) ?? changed),
    host: given.host ?? (about === undefined || about.kind === "file" ? node : hostOf(about, parts)),
    guest: given.guest ?? about?.machine ?? node,
    session:
      about?.session !== undefined
        ? stamp(utcMs(about.session) ?? changed)
        : traceId === 0n
          ? stamp(changed)
          : traceId.toString(16).padStart(16, "0"),
    segment: about?.segment ?? 1,
  };
}

/** Undefined for a text that is no time. */
export function utcMs(text: string | undefined): number | undefined {
  const ms = text === undefined ? NaN : Date.parse(text);
  return Number.isFinite(ms) ? ms : undefined;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The node name of the host that was recorded in the same session. */
function hostOf({ session }: RecordedAbout, parts: readonly RecordedPart[]): string {
  const host = parts.find(({ about }) => about?.kind === "host" && about.session === session);
  return host === undefined ? "" : nodeOf(host.source.metadata.uname);
}

/** A kernel that was given no name has "(none)". */
function nodeOf(uname: string): string {
  const { nodename } = parseUname(uname);
  return nodename === "(none)" ? "" : nodename;
}

function changedMs(about: RecordedAbout | undefined): number {
  const status = about === undefined ? undefined : statusOf(about.path);
  return status?.mtimeMs ?? 0;
}

/** "20261130T085700Z": names of sessions in the order of their times. */
function stamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, "").replaceAll(/[-:]/g, "");
}
