/** The options of `trace-agent record`, and what they mean. */
import { readFileSync } from "node:fs";
import { placeError } from "../base/directory.ts";
import { AgentError } from "../base/errors.ts";
import type { Metadata } from "../events/trace-metadata.ts";
import type { Latency } from "../host/run/guest-settings.ts";
import type { RecordOptions } from "../host/run/run-record.ts";
import { protocolLimits } from "../protocol/limits.ts";
import { readMetadata } from "../trace-dat/spool/metadata-read.ts";
import { type TraceDatFormat, traceDatFormats } from "../trace-dat/write/write.ts";
import { boundFlags, readBounds } from "./bound-flags.ts";
import type { Flags, FlagValues, OptionUse } from "./command.ts";
import { keepFlags, readCut } from "./keep-flags.ts";
import { liveFlags, noFilterFlag, readSeconds, readWait } from "./live-flags.ts";
import { metricsFlags, readMetrics } from "./metrics-flags.ts";
import { outputFlags, readOutput } from "./output-flags.ts";
import { machineFlags } from "./record-machines.ts";
import { parseSize } from "./size.ts";
import { readTriggers, triggerFlags } from "./trigger-flags.ts";
import { readWanted } from "./trace-flags.ts";

export const recordFlags = {
  ...outputFlags,
  output: {
    ...outputFlags.output,
    description: "The file to write (trace.dat); of several machines, with --rotate or --last a DIR",
  },
  ...liveFlags,
  duration: { type: "string", short: "d", valueHint: "SECONDS", description: "Stop after this time" },
  "max-size": {
    type: "string",
    short: "m",
    valueHint: "SIZE",
    description: "Stop after this much data, as in 500M (trace-cmd's -m is another: what it keeps per CPU)",
  },
  delay: {
    type: "string",
    valueHint: "MS",
    description: `How late events may be here (${protocolLimits.latencyMsDefault}): the guest wakes once in this time`,
  },
  past: { type: "boolean", description: "Keep what the guest's ring buffer holds from before the start" },
  format: { type: "string", valueHint: "v6|v7", description: "Version of the file; v7 is compressed (v6)" },
  metadata: {
    type: "string",
    valueHint: "FILE",
    description: "What trace-agent metadata wrote in the guest, if its agent does not send it",
  },
  config: {
    type: "string",
    valueHint: "FILE",
    description: "TOML or JSON that names machines and what is traced of each; keys as these options, which count more",
  },
  local: { ...liveFlags.local, description: "Record this machine itself, in a tracefs instance of its own" },
  "no-filter": noFilterFlag("--local, --host"),
  ...machineFlags,
  ...metricsFlags,
  ...boundFlags,
  ...keepFlags,
  ...triggerFlags,
  "only-command": { type: "boolean", short: "F", description: "With a COMMAND: only events of its process" },
  children: { ...liveFlags.children, description: "With -P or -F: the tasks that it starts, too" },
  "as-root": {
    type: "boolean",
    description: "Run COMMAND as root; without it under sudo it runs as the user who called sudo",
  },
} as const satisfies Flags;

export type RecordValues = FlagValues<typeof recordFlags>;

/** Throws a usage error for what no option takes. */
export function readOptions(values: RecordValues, order: readonly OptionUse[]): RecordOptions {
  const cut = readCut(values, values.format === undefined ? undefined : readFormat(values.format));
  return {
    output: readOutput(values, "trace.dat", values.metadata),
    format: readFormat(values.format),
    wanted: readWanted(values, order),
    waitMs: readWait(values.wait),
    latency: values.delay === undefined ? undefined : readDelay(values.delay),
    past: values.past,
    metrics: readMetrics(values),
    bounds: readBounds(values),
    cut,
    on: readTriggers(values, cut !== undefined && "ring" in cut),
    until: {
      seconds: readSeconds(values.duration),
      bytes: values["max-size"] === undefined ? undefined : readMaxBytes(values["max-size"]),
    },
    metadata: values.metadata === undefined ? undefined : readMetadataFile(values.metadata),
  };
}

function readDelay(text: string): Latency {
  const { latencyMsMin, latencyMsMax } = protocolLimits;
  const ms = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  if (ms < latencyMsMin || ms > latencyMsMax)
    throw new AgentError("usage", `cannot read delay "${text}"`, {
      remedy: `give milliseconds, from ${latencyMsMin} to ${latencyMsMax}`,
    });
  return { ms, required: true };
}

function readMaxBytes(text: string): number {
  const bytes = parseSize("max-size", text);
  if (bytes > 0) return bytes;
  throw new AgentError("usage", `cannot read max-size "${text}": nothing would be recorded`, {
    remedy: "write it as 65536, 64K or 1M",
  });
}

export function readFormat(text: string | undefined): TraceDatFormat {
  const format = traceDatFormats.find((known) => known === (text ?? "v6"));
  if (format === undefined)
    throw new AgentError("usage", `cannot write format "${text}"`, { remedy: `use ${traceDatFormats.join(" or ")}` });
  return format;
}

export function readMetadataFile(path: string): Metadata {
  try {
    return readMetadata(readFileSync(path), `"${path}"`);
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw placeError(path, "read metadata", cause);
  }
}
