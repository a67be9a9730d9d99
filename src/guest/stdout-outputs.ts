/** Outputs of --stdout: the one stdout that all CPUs share, directly or through text formatting. */
import { fstatSync } from "node:fs";
import { isTerminal } from "../base/is-terminal.ts";
import { setNonBlocking } from "../../ffi/fd.ts";
import { AgentError } from "../base/errors.ts";
import type { Output } from "../transport/transport.ts";
import type { StdoutFormat } from "./options.ts";
import { guestEndOf } from "../transport/transports.ts";

export type StdoutOutputs = {
  /** Somebody reads it while it comes. */
  live: boolean;
  /** What a CPU's worker writes to. */
  open: (cpu: number) => Output;
  /** Writes the rest, and restores flags of the file description that we share with the shell. */
  close: (givenUp: () => boolean) => Promise<void>;
};

/** The common output of all CPUs. Without a format it is text on a terminal, else raw. */
export async function openStdout(
  format: StdoutFormat | undefined,
  tracingDirectory: string,
  cpus: readonly number[],
  onReaderGone: () => void,
): Promise<StdoutOutputs> {
  const terminal = isTerminal(1);
  if (terminal && format === "raw") {
    throw new AgentError("usage", "cannot write raw trace data to a terminal: it is binary", {
      remedy: "send it to a file or a program: trace-agent --stdout > trace.raw; or see it with --format text",
    });
  }
  const form = format ?? (terminal ? "text" : "raw");
  if (form !== "raw") {
    const { TextOutput } = await import("./text-output.ts");
    const text = new TextOutput(tracingDirectory, cpus, form, onReaderGone);
    return {
      live: true,
      open: (cpu) => text.open(cpu),
      close: async (givenUp) => await text.close(givenUp),
    };
  }
  const { traits } = guestEndOf(fstatSync(1));
  const before = traits.waitsInSplice ? setNonBlocking(1, true) : undefined;
  return {
    live: false,
    open: () => ({ fd: 1, traits, shared: true }),
    close: async () => {
      if (before === false) setNonBlocking(1, false);
    },
  };
}
