/** What a trace.dat is made of, whichever version is written. */
import type { SubBufferLayout } from "../../kernel/sub-buffer.ts";
import type { Metadata } from "../../protocol/metadata.ts";

/** Whole sub-buffers of one CPU: `bytes` of the file at `path`, from `skipBytes` on. */
export type RecordedStream = { cpu: number; path: string; skipBytes: number; bytes: number };

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
};

/** Sees the sub-buffers of a CPU on their way into the file: whole ones, in order. */
export type Observer = (cpu: number, subBuffers: Uint8Array) => void;

export function streamOf(recording: Recording, cpu: number): RecordedStream | undefined {
  return recording.streams.find((stream) => stream.cpu === cpu && stream.bytes > 0);
}
