/**
 * The log: consola, with one reporter that writes lines to stderr, so that stdout carries nothing but data and answers.
 *
 * On a terminal a level is coloured (NO_COLOR is honoured); under journald a line begins with its priority (sd-daemon(3)).
 */
import { fstatSync, writeSync } from "node:fs";
import { createConsola, LogLevels, type LogObject } from "consola";
import { colorize } from "consola/utils";

export const logLevelNames = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevelName = (typeof logLevelNames)[number];

/** Per level: the word before the message, its colour, its syslog priority. */
const levels = [
  { word: "error", colour: "red", priority: 3 },
  { word: "warning", colour: "yellow", priority: 4 },
  { word: "", colour: "reset", priority: 5 },
  { word: "", colour: "reset", priority: 6 },
  { word: "debug", colour: "gray", priority: 7 },
] as const;

const coloured = process.stderr.isTTY && !process.env["NO_COLOR"];
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

export function formatLine(level: number, tag: string, message: string): string {
  const { word, colour, priority } = levels[Math.max(0, Math.min(level, 4))] ?? levels[3];
  const prefix = word === "" ? "" : `${coloured ? colorize(colour, word) : word}: `;
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
