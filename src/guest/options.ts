/** The agent's command line options, checked. */
import { liveForms } from "../views/live-form.ts";

/** How trace data is written to stdout: raw, or as lines. */
export const stdoutFormats = ["raw", ...liveForms] as const;
export type StdoutFormat = (typeof stdoutFormats)[number];

export type AgentOptions = {
  /** Data to stdout instead of the ports. */
  stdout: boolean;
  /** The format on stdout; undefined: text on a terminal, else raw. */
  format: StdoutFormat | undefined;
  /** Start at once, without waiting for an order. */
  start: boolean;
  /** Only these CPUs. */
  cpus: number[] | undefined;
  pipeSizeBytes: number;
  tracefs: string | undefined;
  instance: string | undefined;
  /** A directory whose entries bear the port names, instead of virtio ports. */
  portsDirectory: string | undefined;
};
