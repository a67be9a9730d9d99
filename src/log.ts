/**
 * The log: consola, with one reporter that writes lines to stderr, so that stdout carries nothing but data and answers.
 *
 * On a terminal a level is coloured (NO_COLOR is honoured); under journald a line begins with its priority (sd-daemon(3)).
 * consola/core, because consola's own reporters cost an agent 3 MiB and 15 ms that it has no use for.
 */
import { fstatSync, writeSync } from "node:fs";
import { createConsola, LogLevels, type LogObject } from "consola/core";

export const logLevelNames = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevelName = (typeof logLevelNames)[number];

/** Per level: the word before the message, its colour (ECMA-48 SGR: red, yellow, grey), its syslog priority. */
const levels = [
  { word: "error", colour: 31, priority: 3 },
  { word: "warning", colour: 33, priority: 4 },
  { word: "", colour: 0, priority: 5 },
  { word: "", colour: 0, priority: 6 },
  { word: "debug", colour: 90, priority: 7 },
] as const;

const toJournal = isJournal(process.env["JOURNAL_STREAM"]);

/** systemd sets it to the device and inode of the journal's socket, and a service's children that write elsewhere inherit it. */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** Asked only when a line has a colour: to look whether stderr is a terminal costs 1.7 MiB and 8 ms. */
function isColoured(): boolean {
  return !process.env["NO_COLOR"] && process.stderr.isTTY;
}

export function formatLine(level: number, tag: string, message: string): string {
  const { word, colour, priority } = levels[Math.max(0, Math.min(level, 4))] ?? levels[3];
  const prefix = word === "" ? "" : `${isColoured() ? `\x1b[${colour}m${word}\x1b[0m` : word}: `;
  const speaker = tag === "" ? "" : `${tag}: `;
  const line = `${toJournal ? "" : "trace-agent: "}${prefix}${speaker}${message}`;
  return toJournal ? line.replaceAll(/^/gm, `<${priority}>`) : line;
}

/** Written at once: what is logged before a sudden end must not be lost. A closed or full stderr stops nothing. */
function report(entry: LogObject): void {
  const message = entry.args.map((part) => (part instanceof Error ? part.message : String(part))).join(" ");
  try {
    writeSync(2, `${formatLine(entry.level, entry.tag, message)}\n`);
  } catch {
    // Nobody hears; the counters still tell.
  }
}

export const log = createConsola({ level: LogLevels.info, throttle: 0, reporters: [{ log: report }] });

export function setLogLevel(name: LogLevelName): void {
  log.level = name === "silent" ? -1 : LogLevels[name];
}
