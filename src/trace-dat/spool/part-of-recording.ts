/** A part of a recording as a recording of its own: some of its streams, and what was counted of them. */
import { EventCounter } from "../../ring-buffer/event-count.ts";
import { traceDatLimits } from "../limits.ts";
import { partCounts } from "../recording-counts.ts";
import type { RecordedStream, Recording } from "../write/recording.ts";
import { chunkSize, readStream } from "../write/stream-file.ts";

/** `parts`: the streams of all of them. */
export function partOf(recording: Recording, parts: readonly (readonly RecordedStream[])[], part: number): Recording {
  const [streams = recording.streams] = parts.slice(part);
  if (parts.length === 1) return { ...recording, streams };
  const eventsOf = (cpu: number): number[] =>
    parts.slice(0, -1).map((own) =>
      countOf(
        own.find((stream) => stream.cpu === cpu),
        recording,
      ),
    );
  const cpuStats = recording.metadata.cpuStats.map(({ cpu, text }) => ({
    cpu,
    text: partCounts(text, eventsOf(cpu), part),
  }));
  return { ...recording, streams, metadata: { ...recording.metadata, cpuStats } };
}

function countOf(stream: RecordedStream | undefined, { layout }: Recording): number {
  const tally = { events: 0, lostEvents: 0, unknownLosses: 0, damaged: 0 };
  if (stream === undefined || stream.bytes === 0) return 0;
  const counter = new EventCounter(layout);
  for (const piece of readStream(stream, chunkSize(traceDatLimits.copyBytes, layout.sizeBytes)))
    counter.add(piece, tally);
  return tally.events;
}
