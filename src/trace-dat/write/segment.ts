/**
 * A part of a recording that goes on, as a trace.dat of its own: version 7, its tables packed once and its data as they are. What is
 * known of the data only when they are read stands behind them: the options.
 *
 * Where the file system can, both files share the data, and they are read once to count events. Where it can only copy, they go through
 * memory: of 512 MiB that takes 0.6 of the CPU time of copy_file_range(2) in turns of 1 MiB.
 */
import type { OutputFile } from "../../base/output-file.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { EventCounter } from "../../ring-buffer/event-count.ts";
import { SectionId } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import { putDescribingOptions } from "./options.ts";
import { isOnPlainDisk } from "./plain-disk.ts";
import { type RecordedStream, type Recording, streamOf } from "./recording.ts";
import { commandLines } from "./sections.ts";
import { readInBlocks, StreamFile } from "./stream-file.ts";
import { joinTimes, type StreamTimes, TimesSeen } from "./stream-times.ts";
import { packSection, type PackedSection, V7Sections } from "./v7-sections.ts";
import { type CpuTally, newTally } from "./write.ts";

export type Segment = {
  readonly recording: Omit<Recording, "timeShift">;
  readonly tables: readonly PackedSection[];
  /** Whether the events are counted: each byte is read once for it. */
  readonly counted: boolean;
  /** What is known when the data were read: the text behind each CPU's statistics, and how the times become the host's. */
  readonly told: (read: ReadData) => Pick<Recording, "timeShift"> & { readonly cpuStats: Metadata["cpuStats"] };
};

/** `times`: undefined where events are not counted, and where there are none. */
export type ReadData = { readonly cpus: readonly CpuTally[]; readonly times: StreamTimes | undefined };

type Taker = (piece: Uint8Array) => void;

/** Yields between pieces of data. `isPlain`: the disk copies each byte, see isOnPlainDisk. */
export function* writeSegment(
  file: OutputFile,
  segment: Segment,
  isPlain = isOnPlainDisk(file),
): Generator<number, readonly CpuTally[]> {
  const { recording, tables, counted } = segment;
  const { layout, cpus, metadata, streams } = recording;
  const sections = new V7Sections(file, layout);
  for (const table of tables)
    sections.add(table.id === SectionId.commandLines ? packSection(commandLines(metadata.savedCommands)) : table);
  if (isPlain) file.reserve(streams.reduce((sum, { bytes }) => sum + bytes, 0));
  const tallies = Array.from({ length: cpus }, (_, cpu) => newTally(cpu));
  const counter = new EventCounter(layout);
  const seen: TimesSeen[] = [];
  const countersOf = (cpu: number): Taker[] => {
    const stream = streamOf(recording, cpu);
    return counted && stream !== undefined ? [counting(counter, tallies[cpu]), timesOf(stream, layout, seen)] : [];
  };
  yield* sections.addData({ cpus, clock: metadata.traceClock, compressed: false }, (cpu) =>
    isPlain
      ? readCpu(recording, cpu, file.position, [...countersOf(cpu), (piece) => file.write(piece)])
      : copyCpu(file, recording, cpu),
  );
  if (counted && !isPlain) for (let cpu = 0; cpu < cpus; cpu++) yield* readCpu(recording, cpu, 0, countersOf(cpu));
  const times = joinTimes(seen.flatMap((one) => one.times ?? []));
  const { cpuStats, ...placed } = segment.told({ cpus: tallies, times });
  const whole = { ...recording, ...placed, metadata: { ...metadata, cpuStats } };
  sections.end((options) => putDescribingOptions(options, whole));
  return tallies;
}

function* copyCpu(file: OutputFile, recording: Segment["recording"], cpu: number): Generator<number, void> {
  const stream = streamOf(recording, cpu);
  if (stream === undefined) return;
  const from = new StreamFile(stream);
  try {
    yield* from.copyTo(file, traceDatLimits.segmentTurnBytes);
  } finally {
    from.close();
  }
}

/** Each taker has a piece before the next one is read. `position`: where they are written. */
function* readCpu(
  recording: Segment["recording"],
  cpu: number,
  position: number,
  takers: readonly Taker[],
): Generator<number, void> {
  const stream = streamOf(recording, cpu);
  if (stream === undefined) return;
  for (const piece of readInBlocks(stream, recording.layout.sizeBytes, position)) {
    for (const take of takers) take(piece);
    yield piece.length;
  }
}

function counting(counter: EventCounter, tally: CpuTally | undefined): Taker {
  return (piece) => {
    if (tally === undefined) return;
    tally.bytes += piece.length;
    counter.add(piece, tally);
  };
}

function timesOf(stream: RecordedStream, layout: Recording["layout"], seen: TimesSeen[]): Taker {
  const own = new TimesSeen(stream, layout);
  seen.push(own);
  return (piece) => own.see(piece);
}
