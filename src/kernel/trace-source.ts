/**
 * What is read to see events: a trace.dat, a spool, or a stream that is kept; each gives the same things. Everything in it
 * came from the traced machine and is believed nothing.
 */
import type { SubBufferLayout } from "./sub-buffer.ts";

export type TraceMetadata = {
  layout: SubBufferLayout;
  /** Text of every event's format file. */
  formats: readonly { system: string; text: string }[];
  /** As of /proc/kallsyms, printk_formats, saved_cmdlines ("PID COMM" lines); latin1 where they are strings. */
  kallsyms: Uint8Array;
  printkFormats: string;
  savedCommands: string;
  /** "PID TGID" lines; empty if they were not recorded. */
  savedTgids: string;
  /** The name of the clock: "local". */
  clock: string;
  uname: string;
  /** Text of per_cpu/cpuN/stats, in the order of the CPUs; may be empty. */
  cpuStats: readonly string[];
  /** To be added to every time stamp. */
  timeOffset: bigint;
};

/** The sub-buffers of one CPU, from first to last. */
export type SubBufferReader = {
  readonly cpu: number;
  /** Fills `target` with as many whole sub-buffers as it takes, or as there are; returns their bytes, 0 at the end. */
  read(target: Uint8Array<ArrayBuffer>): number;
};

export type TraceSource = {
  readonly metadata: TraceMetadata;
  /** CPUs without data are there too. */
  readonly cpus: readonly number[];
  /** Bytes of sub-buffers, for progress; undefined where it is not known. */
  readonly totalBytes: number | undefined;
  /** Names of further buffers of the file (tracefs instances), which are not among these events. */
  readonly leftOut?: readonly string[];
  /** Each call begins at the start. */
  open(): SubBufferReader[];
  close(): void;
};
