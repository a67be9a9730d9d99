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
import { describingOptions } from "./options.ts";
import { isPlainDisk } from "./plain-disk.ts";
import { type Recording, streamOf } from "./recording.ts";
import { describingSections } from "./sections.ts";
import { readInBlocks, StreamFile } from "./stream-file.ts";
import { packSection, type PackedSection, V7Sections } from "./v7-sections.ts";
import { type CpuTally, newTally } from "./write.ts";

export type Segment = {
  readonly recording: Recording;
  readonly tables: readonly PackedSection[];
  /** Whether the events are counted: each byte is read once for it. */
  readonly counted: boolean;
  /** The text behind each CPU's statistics, now that its events are counted. */
  readonly cpuStats: (cpus: readonly CpuTally[]) => Metadata["cpuStats"];
};

type Taker = (piece: Uint8Array) => void;

/** Yields between pieces of data. `isPlain`: the disk copies each byte, see isPlainDisk. */
export function* writeSegment(
  file: OutputFile,
  segment: Segment,
  isPlain = isPlainDisk(file.fd),
): Generator<number, CpuTally[]> {
  const { recording, tables, counted } = segment;
  const { layout, cpus, metadata } = recording;
  const sections = new V7Sections(file, layout);
  for (const table of tables) sections.add(table.id === SectionId.commandLines ? packCommands(metadata) : table);
  if (isPlain) file.reserve(recording.streams.reduce((sum, { bytes }) => sum + bytes, 0));
  const tallies = Array.from({ length: cpus }, (_, cpu) => newTally(cpu));
  const countersOf = (cpu: number): Taker[] => (counted ? [counterOf(recording, tallies[cpu])] : []);
  yield* sections.addData({ cpus, clock: metadata.traceClock, compressed: false }, (cpu) =>
    isPlain
      ? readCpu(recording, cpu, file.position, [...countersOf(cpu), (piece) => file.write(piece)])
      : copyCpu(file, recording, cpu),
  );
  if (counted && !isPlain) for (let cpu = 0; cpu < cpus; cpu++) yield* readCpu(recording, cpu, 0, countersOf(cpu));
  sections.end(describingOptions({ ...recording, metadata: { ...metadata, cpuStats: segment.cpuStats(tallies) } }));
  return tallies;
}

function packCommands(metadata: Metadata): PackedSection {
  const { savedCommands = "", uname } = metadata;
  const all = describingSections({ uname, cpus: 1, formats: [], cpuStats: [], savedCommands });
  const commands = all.find(({ id }) => id === SectionId.commandLines);
  return packSection(commands ?? { id: SectionId.commandLines, name: "command lines", body: new Uint8Array(8) });
}

function* copyCpu(file: OutputFile, recording: Recording, cpu: number): Generator<number, void> {
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
  recording: Recording,
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

function counterOf({ layout }: Recording, tally: CpuTally | undefined): Taker {
  const counter = new EventCounter(layout);
  return (piece) => {
    if (tally === undefined) return;
    tally.bytes += piece.length;
    counter.add(piece, tally);
  };
}
