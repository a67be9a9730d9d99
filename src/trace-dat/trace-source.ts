/**
 * A source of events: a trace.dat, a spool, or a stream in memory; all provide the same. Everything in it came from
 * the traced machine and is not trusted.
 */
import type { TraceMetadata } from "../events/trace-metadata.ts";

/** The sub-buffers of one CPU, from first to last. */
export type SubBufferReader = {
  readonly cpu: number;
  /** Bytes taken so far, and all of them, as they are stored: packed or not. Undefined where nothing is stored. */
  readonly place?: { taken: number; bytes: number };
  /** Fills `target` with as many whole sub-buffers as it takes, or as there are; returns their bytes, 0 at the end. */
  read(target: Uint8Array<ArrayBuffer>): number;
};

/** The top-level one has no name; that of a tracefs instance has the instance's name. */
export type RecordedBuffer = {
  readonly name: string;
  readonly isEmpty: boolean;
  readonly source: TraceSource;
};

export type TraceSource = {
  readonly metadata: TraceMetadata;
  /** Includes CPUs without data. */
  readonly cpus: readonly number[];
  /** All ring buffers of the recording; the events here are those of the first that has any. */
  readonly buffers?: readonly RecordedBuffer[];
  /** What was skipped when it was opened. */
  readonly warnings?: readonly string[];
  /** Something of it could not be used, which was told when it was opened. */
  readonly isDamaged?: boolean;
  /** Each call starts at the beginning. */
  open(): SubBufferReader[];
  /** Frees what reading it took, where that can be read again. */
  release?(): void;
  close(): void;
};
