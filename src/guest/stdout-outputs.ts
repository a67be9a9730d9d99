/** Where the streams go with --stdout: to the stdout that all share, or through text to it. */
import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import { setNonBlocking } from "../../ffi/fd.ts";
import { AgentError } from "../errors.ts";
import type { Output } from "./cpu-stream.ts";
import type { StdoutFormat } from "./options.ts";
import type { OutputKind } from "./output-kind.ts";

export type StdoutOutputs = {
  /** What a CPU's worker writes to. */
  open: (cpu: number) => Output;
  /** Writes what is left, and undoes what was changed of a description that the shell shares with us. */
  close: () => void;
};

/** The common output of all CPUs. Without a format it is text on a terminal, else raw. */
export async function openStdout(
  format: StdoutFormat | undefined,
  tracingDirectory: string,
  cpus: readonly number[],
  onReaderGone: () => void,
): Promise<StdoutOutputs> {
  const terminal = isatty(1);
  if (terminal && format === "raw") {
    throw new AgentError("usage", "cannot write raw trace data to a terminal: it is binary", {
      remedy: "send it to a file or a program: trace-agent --stdout > trace.raw; or see it with --format text",
    });
  }
  const form = format ?? (terminal ? "text" : "raw");
  if (form !== "raw") {
    const { TextOutput } = await import("./text-output.ts");
    const text = new TextOutput(tracingDirectory, cpus, form, onReaderGone);
    return { open: (cpu) => text.open(cpu), close: () => text.close() };
  }
  const status = fstatSync(1);
  const kind: OutputKind = status.isFIFO() ? "fifo" : status.isSocket() ? "socket" : "file";
  // splice to a socket waits for room unless the socket itself is non-blocking; a pipe obeys the flag of the call.
  const before = kind === "socket" ? setNonBlocking(1, true) : undefined;
  return {
    open: () => ({ fd: 1, kind, shared: true }),
    close: () => {
      if (before === false) setNonBlocking(1, false);
    },
  };
}
