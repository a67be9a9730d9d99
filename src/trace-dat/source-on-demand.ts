/**
 * A recording of which only the little that places it among others stays in memory: its tables, some MiB, are read when they are asked
 * for, and released after use. So of many recordings that are read one after the other only one is in memory.
 */
import type { TraceMetadata } from "../events/trace-metadata.ts";
import { AgentError } from "../base/errors.ts";
import type { TraceSource } from "./trace-source.ts";

/** `open`: opens the file at `path`. Throws an AgentError, as reading the source does. */
export function sourceOnDemand(path: string, open: () => TraceSource): TraceSource {
  const current: { source?: TraceSource | undefined } = {};
  const release = (): void => {
    current.source?.close();
    current.source = undefined;
  };
  const first = open();
  try {
    const facts = identityOf(first);
    const whole = (): TraceSource => (current.source ??= sameOr(open(), facts, path));
    const buffers = first.buffers?.map(({ name, isEmpty, source }, index) => ({
      name,
      isEmpty,
      source: onDemand(source, () => whole().buffers?.[index]?.source ?? whole(), release),
    }));
    return { ...onDemand(first, whole, release), ...(buffers === undefined ? {} : { buffers }) };
  } finally {
    first.close();
  }
}

function onDemand(first: TraceSource, now: () => TraceSource, release: () => void): TraceSource {
  return {
    metadata: metadataOnDemand(first.metadata, () => now().metadata),
    cpus: [...first.cpus],
    warnings: first.warnings ?? [],
    isDamaged: first.isDamaged === true,
    open: () => now().open(),
    release,
    close: release,
  };
}

/** Of a trace.dat, which tells none of the other texts. */
function metadataOnDemand(
  {
    layout,
    cpus,
    uname,
    traceClock = "",
    cpuStats,
    timeShift,
    ticks,
    timeOffset = 0n,
    traceId = 0n,
    guests,
  }: TraceMetadata,
  now: () => TraceMetadata,
): TraceMetadata {
  return {
    layout,
    cpus,
    uname,
    traceClock,
    cpuStats,
    timeShift,
    ticks,
    timeOffset,
    traceId,
    guests,
    get headerPage() {
      return now().headerPage ?? "";
    },
    get formats() {
      return now().formats;
    },
    get kallsyms() {
      return now().kallsyms ?? new Uint8Array(0);
    },
    get printkFormats() {
      return now().printkFormats ?? "";
    },
    get savedCommands() {
      return now().savedCommands ?? "";
    },
  };
}

function identityOf({ metadata: { uname, traceId }, cpus, buffers }: TraceSource): string {
  return JSON.stringify([uname, `${traceId}`, cpus, buffers?.map(({ name }) => name)]);
}

function sameOr(source: TraceSource, identity: string, path: string): TraceSource {
  if (identityOf(source) === identity) return source;
  source.close();
  throw new AgentError("input", `cannot read "${path}": it became another recording after it was opened`, {
    remedy: "run the command again",
  });
}
