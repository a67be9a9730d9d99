/**
 * Segments of one recording as one source: each CPU's sub-buffers of one file after those of the other, as if they had never been cut. Of
 * all files but the last one only those are open that are being read.
 */
import { type TraceMetadata, withParts } from "../../events/trace-metadata.ts";
import { joinCounts } from "../recording-counts.ts";
import type { SubBufferReader, TraceSource } from "../trace-source.ts";

/** Opens one of the files; the caller closes it. */
export type OpenSegment = () => TraceSource;

type Opened = { source: TraceSource; readers: readonly SubBufferReader[]; users: number };

/** In order of time; at least one. */
export function joinSegments(segments: readonly OpenSegment[]): TraceSource {
  const [openLast] = segments.slice(-1);
  if (openLast === undefined) throw new RangeError("nothing to join");
  const last = openLast();
  const opened = new Set<Opened>();
  try {
    const told = segments.map((open, index) => (index === segments.length - 1 ? facts(last) : once(open, facts)));
    const cpus = [...new Set(told.flatMap((one) => one.cpus))].sort((a, b) => a - b);
    const metadata = joinedMetadata(
      last.metadata,
      told.map((one) => one.metadata),
    );
    const warnings = [...new Set(told.flatMap((one) => one.warnings))];
    const bytesOf = (cpu: number): number => told.reduce((sum, { bytes }) => sum + (bytes.get(cpu) ?? 0), 0);
    return {
      metadata,
      cpus,
      warnings,
      isDamaged: told.some(({ isDamaged }) => isDamaged),
      open: () => {
        const pass = new Pass(segments, cpus.length, last, opened);
        return cpus.map((cpu) => new JoinedReader(cpu, bytesOf(cpu), pass));
      },
      close: () => {
        for (const { source } of opened) if (source !== last) source.close();
        opened.clear();
        last.close();
      },
    };
  } catch (error) {
    last.close();
    throw error;
  }
}

/** One reading of all files, by all CPUs. */
class Pass {
  readonly segments: readonly OpenSegment[];
  readonly #cpus: number;
  readonly #last: TraceSource;
  readonly #all: Set<Opened>;
  readonly #opened = new Map<number, Opened>();

  constructor(segments: readonly OpenSegment[], cpus: number, last: TraceSource, all: Set<Opened>) {
    this.segments = segments;
    this.#cpus = cpus;
    this.#last = last;
    this.#all = all;
  }

  reader(index: number, cpu: number): SubBufferReader | undefined {
    let opened = this.#opened.get(index);
    if (opened === undefined) {
      const source = index === this.segments.length - 1 ? this.#last : this.segments[index]?.();
      if (source === undefined) return undefined;
      opened = { source, readers: source.open(), users: this.#cpus };
      this.#opened.set(index, opened);
      this.#all.add(opened);
    }
    return opened.readers.find((reader) => reader.cpu === cpu);
  }

  /** A CPU has read it. */
  leave(index: number): void {
    const opened = this.#opened.get(index);
    if (opened === undefined || --opened.users > 0) return;
    this.#opened.delete(index);
    this.#all.delete(opened);
    if (opened.source !== this.#last) opened.source.close();
  }
}

class JoinedReader implements SubBufferReader {
  readonly cpu: number;
  readonly place: { taken: number; bytes: number };
  readonly #pass: Pass;
  #index = 0;
  #takenBefore = 0;

  constructor(cpu: number, bytes: number, pass: Pass) {
    this.cpu = cpu;
    this.place = { taken: 0, bytes };
    this.#pass = pass;
  }

  read(target: Uint8Array<ArrayBuffer>): number {
    for (; this.#index < this.#pass.segments.length; this.#index++) {
      const reader = this.#pass.reader(this.#index, this.cpu);
      const got = reader?.read(target) ?? 0;
      if (got > 0) {
        this.place.taken = this.#takenBefore + (reader?.place?.taken ?? got);
        return got;
      }
      this.#takenBefore = this.place.taken;
      this.#pass.leave(this.#index);
    }
    return 0;
  }
}

type Facts = {
  cpus: readonly number[];
  metadata: Pick<TraceMetadata, "cpuStats" | "timeShift" | "savedCommands">;
  bytes: Map<number, number>;
  warnings: readonly string[];
  isDamaged: boolean;
};

function facts(source: TraceSource): Facts {
  const { cpuStats, timeShift, savedCommands } = source.metadata;
  return {
    cpus: source.cpus,
    metadata: { cpuStats, timeShift, ...(savedCommands === undefined ? {} : { savedCommands }) },
    bytes: new Map(source.open().map(({ cpu, place }) => [cpu, place?.bytes ?? 0])),
    warnings: source.warnings ?? [],
    isDamaged: source.isDamaged === true,
  };
}

function once<R>(open: OpenSegment, use: (source: TraceSource) => R): R {
  const source = open();
  try {
    return use(source);
  } finally {
    source.close();
  }
}

/** Of the last one, but what each has of its own time. */
function joinedMetadata(last: TraceMetadata, all: readonly Facts["metadata"][]): TraceMetadata {
  const known = new Map<string, string>();
  for (const { savedCommands = "" } of all)
    for (const line of savedCommands.split("\n")) if (line !== "") known.set(line.split(" ", 1)[0] ?? "", line);
  return withParts(last, {
    savedCommands: [...known.values(), ""].join("\n"),
    timeShift: joinedShift(all),
    cpuStats: last.cpuStats.map(({ cpu, text }) => ({
      cpu,
      text: joinCounts(
        text,
        all.map(({ cpuStats }) => cpuStats.find((one) => one.cpu === cpu)?.text ?? ""),
      ),
    })),
  });
}

function joinedShift(all: readonly Facts["metadata"][]): TraceMetadata["timeShift"] {
  const shifts = all.flatMap(({ timeShift }) => timeShift ?? []);
  const [first] = shifts;
  if (first === undefined) return undefined;
  const samples = Array.from({ length: Math.max(...shifts.map((shift) => shift.samples.length)) }, (_, cpu) => {
    const byTime = new Map(
      shifts.flatMap((shift) => (shift.samples[cpu] ?? []).map((sample) => [sample.time, sample])),
    );
    return [...byTime.values()].sort((a, b) => (a.time < b.time ? -1 : 1));
  });
  return { hostTraceId: first.hostTraceId, interpolated: samples.some((ofCpu) => ofCpu.length > 1), samples };
}
