/** A recording by its path: a trace.dat. */
import { openTraceDat } from "../kernel/trace-dat-reader.ts";
import type { TraceSource } from "../kernel/trace-source.ts";

/** Throws an AgentError that says what is wrong with it. */
export function openRecording(path: string): TraceSource {
  return openTraceDat(path);
}
