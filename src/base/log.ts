/**
 * The log: consola, with one reporter that writes lines to stderr, so that stdout carries only data and answers.
 *
 * On a terminal a level is coloured (NO_COLOR is honoured); under journald a line begins with its priority (sd-daemon(3)).
 * consola/core, because consola's own reporters cost an agent 3 MiB and 15 ms for nothing.
 */
import { fstatSync, writeSync } from "node:fs";
import { foreignLines } from "./foreign-text.ts";
import { isTerminal } from "./is-terminal.ts";
import { createConsola, LogLevels, type LogObject } from "consola/core";
import { Rate } from "./rate.ts";
import { clearShownLines } from "./shown-lines.ts";

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

/**
 * systemd sets it to the device and inode of the journal's socket, and a service's children with another stderr
 * inherit it.
 */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** Called only when a line has a colour: checking whether stderr is a terminal costs 1.7 MiB and 8 ms. */
function isColoured(): boolean {
  return !process.env["NO_COLOR"] && isTerminal(2);
}

function formatLine(level: number, tag: string, message: string): string {
  const { word, colour, priority } = levels[Math.max(0, Math.min(level, 4))] ?? levels[3];
  const prefix = word === "" ? "" : `${isColoured() ? `\x1b[${colour}m${word}\x1b[0m` : word}: `;
  const speaker = tag === "" ? "" : `${tag}: `;
  const line = `${toJournal ? "" : "trace-agent: "}${prefix}${speaker}${message}`;
  return toJournal ? line.replaceAll(/^/gm, `<${priority}>`) : line;
}

/** Undefined: no limit. */
let rate: Rate | undefined;
let toldLater: NodeJS.Timeout | undefined;
/** Omitted lines are reported after this long: by then the rate lets some pass again. */
const leftOutToldMs = 5_000;

/**
 * Limits the lines at once and per second: for a program whose log lines are caused by others. Omitted lines are
 * counted and reported. Debug lines are not limited: whoever wants them wants all.
 */
export function limitLog(linesAtOnce: number, linesPerSecond: number): void {
  rate = new Rate(linesAtOnce, linesPerSecond, performance.now());
}

function report(entry: LogObject): void {
  if (rate !== undefined && entry.level < LogLevels.debug && !rate.take(performance.now())) {
    toldLater ??= setTimeout(tellLeftOut, leftOutToldMs).unref();
    return;
  }
  write(entry.level, entry.tag, entry.args);
}

function tellLeftOut(): void {
  toldLater = undefined;
  const count = rate?.takeLeftOut() ?? 0;
  if (count > 0) write(LogLevels.warn, "", [`${count} lines were omitted from the log: too many at once`]);
}

/**
 * Written at once: what is logged before a sudden end must not be lost. A closed or full stderr stops nothing, and
 * text of others in a message steers no terminal.
 */
function write(level: number, tag: string, args: readonly unknown[]): void {
  const message = args.map((part) => (part instanceof Error ? part.message : String(part))).join(" ");
  clearShownLines();
  try {
    writeSync(2, `${formatLine(level, tag, foreignLines(message))}\n`);
  } catch {
    // Nobody reads the log; the counters still tell.
  }
}

export const log = createConsola({ level: LogLevels.info, throttle: 0, reporters: [{ log: report }] });

export function setLogLevel(name: LogLevelName): void {
  log.level = name === "silent" ? -1 : LogLevels[name];
}
