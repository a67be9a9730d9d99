/** Which of several recordings, machines and ring buffers a command shows. */
import type { PartSelection } from "../trace-dat/parts.ts";
import type { Flags, Positional } from "./command.ts";

export const partFlags = {
  machine: {
    type: "string",
    valueHint: "NAME",
    multiple: true,
    description: "Of several machines only this one",
  },
  buffer: {
    type: "string",
    valueHint: "NAME",
    multiple: true,
    description: 'Of several ring buffers (tracefs instances) only this one; "" is the top-level one',
  },
} as const satisfies Flags;

export const recordingsPositional: Positional = {
  name: "FILE",
  description: "A trace.dat, the spool of an unfinished recording, or the DIR of several machines; any number",
  rest: true,
};

export function readParts({ machine, buffer }: { machine: string[]; buffer: string[] }): PartSelection {
  return {
    machines: machine.length === 0 ? undefined : machine,
    buffers: buffer.length === 0 ? undefined : buffer,
  };
}
