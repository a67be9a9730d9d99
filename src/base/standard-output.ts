/** Text to stdout in large writes. When the reader is gone, as after `head`, the program ends silently. */
import { writeSync } from "node:fs";
import { foreignBytes } from "./foreign-text.ts";
import { AgentError, errnoOf, messageOf, sizeRemedy } from "./errors.ts";
import { isTerminal } from "./is-terminal.ts";

const stdout = 1;
/** How often a full non-blocking pipe is retried. */
const fullPauseMs = 1;

/** Thrown when nobody reads any more: whoever catches it ends. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

const terminal = isTerminal(stdout);
/** Events, names and strings of a guest may hold anything: on a terminal they must not steer it (foreign-text.ts). */
export function writeStandardOutput(bytes: Uint8Array): void {
  writeAsIs(forStandardOutput(bytes));
}

/** Writes foreign text: on a terminal made safe. */
export function forStandardOutput(bytes: Uint8Array): Uint8Array {
  return terminal ? foreignBytes(bytes) : bytes;
}

/** The same without checking the text. */
export function writeAsIs(bytes: Uint8Array): void {
  writeAll(stdout, bytes, "stdout");
}

/** Writes an answer of our own. */
export function print(text: string): void {
  writeAsIs(Buffer.from(text));
}

/** Writes all bytes, to a descriptor of any kind. `where`: its name in an error. */
export function writeAll(fd: number, bytes: Uint8Array, where: string): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done, bytes.length - done);
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === "EPIPE") throw new ReaderGone();
      if (errno !== "EAGAIN")
        throw new AgentError("io", `cannot write to ${where}: ${messageOf(cause)}`, { ...sizeRemedy(cause), cause });
      Bun.sleepSync(fullPauseMs);
    }
  }
}
