/** Where each CPU's stream goes: its data port, or the stdout that all share. */
import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import { setNonBlocking } from "../../ffi/fd.ts";
import { AgentError } from "../errors.ts";
import { liveForms } from "../kernel/live-text.ts";
import { dataPortName } from "../protocol/ports.ts";
import type { Output } from "./cpu-stream.ts";
import type { OutputKind } from "./output-kind.ts";
import { openForWriting } from "./port-open.ts";
import type { PortPlace } from "./port-place.ts";
import { TextOutput } from "./text-output.ts";

/** Opens the data port of a CPU; undefined when the machine has none for it. */
export function openDataPort(place: PortPlace, cpu: number): Output | undefined {
  const path = place.data.get(cpu);
  if (path === undefined) return undefined;
  return { fd: openForWriting(dataPortName(cpu), path), kind: path.kind, shared: false };
}

/** How trace data are written to stdout: as they are, or as lines. */
export const stdoutFormats = ["raw", ...liveForms] as const;
export type StdoutFormat = (typeof stdoutFormats)[number];

export type StdoutOutputs = {
  /** What a CPU's worker writes to. */
  open: (cpu: number) => Output;
  /** Writes what is left, and undoes what was changed of a description that the shell shares with us. */
  close: () => void;
};

/** The common output of all CPUs. Without a format it is text on a terminal, else raw. */
export function openStdout(format: StdoutFormat | undefined, tracingDirectory: string, cpus: readonly number[], onReaderGone: () => void): StdoutOutputs {
  const terminal = isatty(1);
  if (terminal && format === "raw") {
    throw new AgentError("usage", "cannot write raw trace data to a terminal: it is binary", {
      remedy: "send it to a file or a program: trace-agent --stdout > trace.raw; or see it with --format text",
    });
  }
  const form = format ?? (terminal ? "text" : "raw");
  if (form !== "raw") {
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
