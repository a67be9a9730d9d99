/** What a trace.dat is made of, whichever version is written. */
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { GuestMap, Metadata, TimeShift } from "../../events/trace-metadata.ts";

/** A stream that lies in files of `pieceBytes` each; the first ones may be gone. `open` gives an fd, which the caller closes. */
export type StreamPieces = { pieceBytes: number; open: (index: number) => number };

/**
 * Whole sub-buffers of one CPU: `bytes` of the file at `path`, from `skipBytes` on. `open`: how to open that file, where its
 * path alone does not do. `pieces`: it lies in several files, and `skipBytes` counts from the first one's beginning. `first`, `last`:
 * stand in place of the first and the last sub-buffer; of a single one the last.
 */
export type RecordedStream = {
  cpu: number;
  path: string;
  skipBytes: number;
  bytes: number;
  open?: () => number;
  pieces?: StreamPieces | undefined;
  first?: Uint8Array | undefined;
  last?: Uint8Array | undefined;
};

export type Recording = {
  metadata: Metadata;
  layout: SubBufferLayout;
  /** CPUs of the file, at least one more than the highest of a stream. */
  cpus: number;
  streams: readonly RecordedStream[];
  /** Which program recorded it. */
  version: string;
  /** Tells this recording from others. */
  traceId: bigint;
  /** A host's: what ran the guests that were recorded with it. A guest's: what its times become on its host's clock. */
  guests?: readonly GuestMap[];
  timeShift?: TimeShift;
};

/** Sees the sub-buffers of a CPU on their way into the file: whole ones, in order. */
export type Observer = (cpu: number, subBuffers: Uint8Array) => void;

export function streamOf(recording: Recording, cpu: number): RecordedStream | undefined {
  return recording.streams.find((stream) => stream.cpu === cpu && stream.bytes > 0);
}
