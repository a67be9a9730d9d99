/** Text to stdout in large writes. A reader that has gone, as `head` has, ends the program without a word. */
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { AgentError, messageOf } from "./errors.ts";

const stdout = 1;
/** A non-blocking pipe that is full is tried again after so long. */
const fullPauseMs = 1;

/** Thrown when nobody reads any more: whoever catches it ends. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

const terminal = isatty(stdout);
const [tab, newline, space, del, questionMark] = [0x09, 0x0a, 0x20, 0x7f, 0x3f];

/** Names and strings of a guest may hold anything: on a terminal control characters are shown as "?". */
export function writeStandardOutput(bytes: Uint8Array): void {
  writeAsIs(terminal ? bytes.map((byte) => ((byte < space && byte !== newline && byte !== tab) || byte === del ? questionMark : byte)) : bytes);
}

/** The same without a look at what is written. */
export function writeAsIs(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(stdout, bytes, done, bytes.length - done);
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
      if (code === "EPIPE") throw new ReaderGone();
      if (code !== "EAGAIN") throw new AgentError("io", `cannot write to stdout: ${messageOf(cause)}`, { cause });
      Bun.sleepSync(fullPauseMs);
    }
  }
}
