/** Data to stdout in large writes. A reader that has gone, as `head` has, ends the program without a word. */
import { writeSync } from "node:fs";
import { AgentError, messageOf } from "./errors.ts";

const stdout = 1;
/** A non-blocking pipe that is full is tried again after so long. */
const fullPauseMs = 1;

/** Thrown when nobody reads any more: whoever catches it ends. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

export function writeStandardOutput(bytes: Uint8Array): void {
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
