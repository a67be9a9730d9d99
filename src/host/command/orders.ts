/** What the recorder and the process that becomes its command (start-command.ts) tell each other. */
import { AgentError } from "../../base/errors.ts";
import type { RunAs } from "./run-as.ts";

/** The command of our own: `trace-agent local-command ORDERS`. */
export const localCommandName = "local-command";

export type StartOrders = {
  /** The recorder: its arguments and environment are the command's. */
  recorder: number;
  runAs?: RunAs | undefined;
  /** Mask of the signals that were ignored when the recorder began, in hex: nohup's SIGHUP stays ignored. */
  ignoredSignals: string;
  /** Soft limit of descriptors, which the runtime raises for itself. */
  descriptorLimit: number;
};

/** Descriptors beside the standard ones: the command may start; it could be started. */
export const fds = { go: 3, ready: 4 } as const;

/** The recorder wrote it; a person who calls the command by hand gets an error. */
export function readOrders(text: string): StartOrders {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by our own parent, checked by what uses it
    return JSON.parse(text) as StartOrders;
  } catch {
    throw new AgentError("usage", "local-command is started by record --local", {
      remedy: "trace-agent record --local -e sched -- COMMAND",
    });
  }
}
