/** A recording by its path: a trace.dat, or the spool directory of one that was not finished. */
import { statSync } from "node:fs";
import { openTraceDat } from "../kernel/trace-dat-reader.ts";
import type { TraceSource } from "../kernel/trace-source.ts";
import { log } from "../log.ts";
import { openSpool } from "./recording-source.ts";

/** Throws an AgentError that says what is wrong with it. */
export function openRecording(path: string): TraceSource {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return openSpool(path);
  const source = openTraceDat(path);
  const { leftOut = [] } = source;
  if (leftOut.length > 0) log.warn(`"${path}" holds events of more than one buffer; left out: ${leftOut.join(", ")}`);
  return source;
}
