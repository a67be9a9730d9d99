/** The log: consola on stderr, so that stdout carries nothing but data and answers. */
import { createConsola, LogLevels } from "consola";

export const logLevelNames = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevelName = (typeof logLevelNames)[number];

const levels: Record<LogLevelName, number> = {
  silent: LogLevels.silent,
  error: LogLevels.error,
  warn: LogLevels.warn,
  info: LogLevels.info,
  debug: LogLevels.debug,
};

const colours = process.stderr.isTTY && !process.env["NO_COLOR"];

export const log = createConsola({
  level: levels.info,
  // consola writes info and debug to `stdout`: give it stderr.
  stdout: process.stderr,
  stderr: process.stderr,
  fancy: colours,
  formatOptions: { colors: colours, date: !process.stderr.isTTY, compact: true },
});

export function setLogLevel(name: LogLevelName): void {
  log.level = levels[name];
}
