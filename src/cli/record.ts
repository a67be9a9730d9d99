/** `trace-agent record GUEST`: a guest's events into a trace.dat. */
import { readFileSync } from "node:fs";
import { AgentError, messageOf } from "../errors.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import { withLocalGuest } from "../host/local.ts";
import { readMetadata } from "../host/metadata-read.ts";
import { type RecordOptions, runRecord } from "../host/run-record.ts";
import { type TraceDatFormat, traceDatFormats } from "../host/trace-dat/write.ts";
import type { Metadata } from "../protocol/metadata.ts";
import { type Flags, type FlagValues, makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";
import { readSeconds, readWanted } from "./live-flags.ts";
import { parseSize } from "./size.ts";

const flags = {
  output: { type: "string", short: "o", valueHint: "FILE", description: "The file to write (trace.dat)" },
  event: { type: "string", short: "e", valueHint: "EVENT", multiple: true, description: 'Event, system or glob to record, as in "sched" or "irq:*"; "all"' },
  "buffer-size": { type: "string", short: "b", valueHint: "KB", description: "Size of each CPU's ring buffer in the guest" },
  clock: { type: "string", short: "C", valueHint: "CLOCK", description: "Trace clock of the guest, as in mono or boot" },
  duration: { type: "string", short: "d", valueHint: "SECONDS", description: "Stop after so long" },
  "max-size": { type: "string", short: "m", valueHint: "SIZE", description: "Stop after so much data, as in 500M" },
  format: { type: "string", valueHint: "v6|v7", description: "Version of the file; v7 is compressed (v6)" },
  metadata: { type: "string", valueHint: "FILE", description: "What trace-agent metadata wrote in the guest, where its agent does not send it" },
  dir: { type: "string", valueHint: "DIR", description: "The guest's directory, instead of /run/virtio-trace/GUEST" },
  local: { type: "boolean", description: "Record this machine itself, in a tracefs instance of its own" },
} as const satisfies Flags;

export const recordCommand = makeCommand({
  name: "record",
  description: "Record a guest's events into a trace.dat, until Ctrl-C or a limit",
  flags,
  positionals: [{ ...guestPositional, required: false }],
  run: async (values, [guest]) => {
    const options = readOptions(values);
    if (values.local) {
      if (guest !== undefined) throw new AgentError("usage", `--local records no guest, "${guest}" is one too many`);
      if (options.wanted.events.length === 0) {
        throw new AgentError("usage", "--local needs an event: its tracefs instance has none enabled", { remedy: "as in --local -e sched" });
      }
      await withLocalGuest((local) => runRecord(local, options));
      return;
    }
    if (guest === undefined) throw new AgentError("usage", "GUEST is missing", { remedy: "name one, or record this machine with --local" });
    await runRecord(guestDirectory(guest, values.dir), options);
  },
});

function readOptions(values: FlagValues<typeof flags>): RecordOptions {
  const { clock } = values;
  if (clock !== undefined && !/^[\w-]{1,32}$/.test(clock)) throw new AgentError("usage", `cannot use clock "${clock}"`, { remedy: "as in mono" });
  return {
    output: values.output ?? "trace.dat",
    format: readFormat(values.format),
    wanted: { ...readWanted(values), clock },
    until: {
      seconds: readSeconds(values.duration),
      bytes: values["max-size"] === undefined ? undefined : parseSize("max-size", values["max-size"]),
    },
    metadata: values.metadata === undefined ? undefined : readMetadataFile(values.metadata),
  };
}

export function readFormat(text: string | undefined): TraceDatFormat {
  const format = traceDatFormats.find((known) => known === (text ?? "v6"));
  if (format === undefined) throw new AgentError("usage", `cannot write format "${text}"`, { remedy: `use ${traceDatFormats.join(" or ")}` });
  return format;
}

export function readMetadataFile(path: string): Metadata {
  try {
    return readMetadata(readFileSync(path), `"${path}"`);
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw new AgentError("io", `cannot read metadata "${path}": ${messageOf(cause)}`, { cause });
  }
}
