/**
 * A part of a recording that goes on, as a trace.dat of its own: version 7, its tables packed once and its data as they are. What is
 * known of the data only when they are read stands behind them: the options.
 *
 * The kernel copies the data, or lets both files share them. Where it can only copy, and the events are counted, the data are read
 * once for both: that costs a third less than a copy by the kernel and a second look.
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
import { chunkSize, readStream, StreamFile } from "./stream-file.ts";
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
  const isOnePass = counted && isPlain;
  yield* sections.addData({ cpus, clock: metadata.traceClock, compressed: false }, (cpu) =>
    isOnePass ? count(recording, cpu, tallies, (piece) => file.write(piece)) : copyCpu(file, recording, cpu),
  );
  if (counted && !isOnePass) for (let cpu = 0; cpu < cpus; cpu++) yield* count(recording, cpu, tallies);
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

/** `seen` has each piece before the next one is read. */
function* count(
  recording: Recording,
  cpu: number,
  tallies: readonly CpuTally[],
  seen?: (piece: Uint8Array) => void,
): Generator<number, void> {
  const { layout } = recording;
  const stream = streamOf(recording, cpu);
  const tally = tallies[cpu];
  if (stream === undefined || tally === undefined) return;
  const counter = new EventCounter(layout);
  for (const piece of readStream(stream, chunkSize(traceDatLimits.copyBytes, layout.sizeBytes))) {
    tally.bytes += piece.length;
    counter.add(piece, tally);
    seen?.(piece);
    yield piece.length;
  }
}
