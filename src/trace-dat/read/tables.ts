/** What the tables of both versions of trace.dat come to, and how their event formats are read. */
import { eventLimits } from "../../events/limits.ts";
import { traceDatLimits } from "../limits.ts";
import type { EventText } from "../../events/trace-metadata.ts";
import type { FileCursor } from "./cursor.ts";
import type { TraceFile } from "./file.ts";
import { RecordedFormat } from "./recorded-format.ts";
import type { SubBufferReader } from "../trace-source.ts";

/** What a format takes beside its text. */
const formatBytes = 128;

/** What both versions come to. */
export type TraceDatTables = {
  version: 6 | 7;
  headerPage: string;
  formats: EventText[];
  /** Read when an event needs them. */
  kallsyms: () => Uint8Array;
  printkFormats: () => string;
  savedCommands: string;
  /** Where a file of version 7 says where its options are. */
  optionsPointer?: number;
  /** Of the recording; they count for all of its buffers. */
  options: Option[];
  buffers: BufferTable[];
};

/** `bytes` are the option's own, from their first. */
export type Option = { id: number; bytes: Uint8Array<ArrayBuffer> };

/** Where a CPU's events are; `bytes` is 0 where it has none. */
export type CpuTable = { cpu: number; offset: number; bytes: number; open: () => SubBufferReader };

/** A ring buffer: the top-level one has no name, others that of their tracefs instance. */
export type BufferTable = {
  name: string;
  /** Text of trace_clock, or the clock's name in brackets; "" where the buffer tells none. */
  clock: string;
  subBufferSize: number;
  /** Options of an instance alone. */
  options: Option[];
  cpus: CpuTable[];
  /** In a file of version 6, for who makes a copy with other options. */
  places?: BufferPlaces;
};

/** Where a buffer's options begin, the part "flyrecord" behind them, and in it the table of its CPUs' places. */
export type BufferPlaces = { options: number; flyrecord: number; table: number };

/** u32 systems; each its name, then its formats. */
export function readSystems(cursor: FileCursor): TraceDatTables["formats"] {
  const formats: TraceDatTables["formats"] = [];
  const systems = cursor.u32();
  if (systems > traceDatLimits.systemsMax) throw cursor.file.damaged(`${systems} systems of events`);
  for (let system = 0; system < systems; system++) {
    const name = cursor.string(traceDatLimits.nameChars);
    for (const format of readSystem(cursor, name)) formats.push(format);
    if (formats.length > eventLimits.eventFormats) throw cursor.file.damaged("too many event formats");
  }
  return formats;
}

/** A count, then formats, each after its u64 length. */
export function readSystem(cursor: FileCursor, system: string): TraceDatTables["formats"] {
  const count = cursor.u32();
  if (count > eventLimits.eventFormats) throw cursor.file.damaged(`${count} event formats of "${system}"`);
  return Array.from({ length: count }, () => {
    cursor.spend(formatBytes);
    return new RecordedFormat(cursor, system);
  });
}

/** No two CPUs of a buffer have the same bytes: a small file would else hold as much as thousands of large ones. */
export function checkPlaces(file: TraceFile, { cpus }: BufferTable): void {
  const places = cpus.filter(({ bytes }) => bytes > 0).sort((a, b) => a.offset - b.offset);
  for (const [index, { cpu, offset }] of places.entries()) {
    const before = places[index - 1];
    if (before !== undefined && before.offset + before.bytes > offset)
      throw file.damaged(`the events of CPUs ${before.cpu} and ${cpu} lie in the same place`);
  }
}
