/** Where each CPU's stream goes: its data port, or the stdout that all share. */
import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import { setNonBlocking } from "../../ffi/fd.ts";
import { AgentError } from "../errors.ts";
import { dataPortName } from "../protocol/ports.ts";
import type { Output } from "./cpu-stream.ts";
import type { OutputKind } from "./output-kind.ts";
import { openForWriting } from "./port-open.ts";
import type { PortPlace } from "./port-place.ts";

/** Opens the data port of a CPU; undefined when the machine has none for it. */
export function openDataPort(place: PortPlace, cpu: number): Output | undefined {
  const path = place.data.get(cpu);
  if (path === undefined) return undefined;
  return { fd: openForWriting(dataPortName(cpu), path), kind: path.kind, shared: false };
}

/** stdout as the common output. `restore` undoes what was changed of a description that the shell shares with us. */
export function openStdout(): { output: Output; restore: () => void } {
  if (isatty(1)) {
    throw new AgentError("usage", "cannot write trace data to a terminal: it is binary", {
      remedy: "send it to a file or a program: trace-agent --stdout > trace.raw",
    });
  }
  const status = fstatSync(1);
  const kind: OutputKind = status.isFIFO() ? "fifo" : status.isSocket() ? "socket" : "file";
  // splice to a socket waits for room unless the socket itself is non-blocking; a pipe obeys the flag of the call.
  const before = kind === "socket" ? setNonBlocking(1, true) : undefined;
  return {
    output: { fd: 1, kind, shared: true },
    restore: () => {
      if (before === false) setNonBlocking(1, false);
    },
  };
}
