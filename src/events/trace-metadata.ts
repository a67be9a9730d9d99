/** The one type of metadata. All of it came from the traced machine and is not trusted. */
import type { SubBufferLayout } from "../ring-buffer/sub-buffer.ts";

/**
 * What is known of a traced machine beside its streams. It comes from a guest's metadata reply or from a trace.dat, is merged
 * and completed in a spool, written into a trace.dat, and decoded with. A text is undefined where its file was not given.
 */
export type Metadata = {
  uname: string;
  /** CPUs of the machine. */
  cpus: number;
  headerPage?: string;
  headerEvent?: string;
  /** Text of every event's format file; `event`: its directory's name, which a trace.dat does not tell. */
  formats: readonly EventText[];
  kallsyms?: Uint8Array;
  /** As the files of tracefs have them; latin1: each char one byte. */
  printkFormats?: string;
  /** "PID COMM" lines, and "PID TGID" lines. */
  savedCommands?: string;
  savedTgids?: string;
  /** The clock in use stands in brackets. */
  traceClock?: string;
  bufferSizeKb?: string;
  /** "SYSTEM:EVENT" lines, where they were asked for. */
  availableEvents?: string;
  availableTracers?: string;
  /** Text of per_cpu/cpuN/stats, by CPU, of as many CPUs as there are. */
  cpuStats: readonly { cpu: number; text: string }[];
  /** Why a file was not given, by its name below the tracefs directory. */
  missing?: Readonly<Record<string, string>>;
};

/** The parts that identify a format, read without its fields: a recording has thousands and shows a few. */
export type EventHead = { system: string; name: string; id: number };

export type EventText = {
  readonly system: string;
  readonly event?: string;
  readonly text: string;
  /** Where it was read already; undefined if there is none. */
  readonly head?: EventHead | undefined;
};

/** What events are decoded with: the recording adds what its streams are, and what its stamps become. */
export type TraceMetadata = Metadata & {
  layout: SubBufferLayout;
  /** In this order: shifted to its host's clock, ticks to ns, the offset added. */
  timeShift?: TimeShift | undefined;
  /** ns = (ticks * multiplier) >> shift. */
  ticks?: { multiplier: number; shift: number } | undefined;
  timeOffset?: bigint;
  /** Tells the recording from others; undefined where it does not say. */
  traceId?: bigint;
  /** Guests whose CPUs ran as tasks of this machine. */
  guests?: readonly GuestMap[] | undefined;
};

/** The same with other parts. A spread would read what is only read when it is asked for: symbols, and texts of printk. */
export function withParts<M extends Metadata>(metadata: M, parts: Partial<M>): M {
  const descriptors = { ...Object.getOwnPropertyDescriptors(metadata), ...Object.getOwnPropertyDescriptors(parts) };
  // Each property has the type that `metadata` or `parts` gives it.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.defineProperties({}, descriptors) as M;
}

/** What lies between a guest's clock and its host's, as it was measured now and then. */
export type TimeShift = {
  hostTraceId: bigint;
  /** Between two samples the offset grows evenly; else the earlier one's counts. */
  interpolated: boolean;
  /** By CPU, each by time; a CPU beyond the list is not shifted. */
  samples: readonly (readonly TimeSample[])[];
};

/** At `time` of the guest: the host's time is ((time * scaling) >> fractionBits) + offset. */
export type TimeSample = { time: bigint; offset: bigint; scaling: bigint; fractionBits: bigint };

/** `tasks`: by the guest's CPU, the host's task that runs it; -1 where that is not known. */
export type GuestMap = { name: string; traceId: bigint; tasks: readonly number[] };
