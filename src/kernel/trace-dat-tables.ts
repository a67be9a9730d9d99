/** What the tables of both versions of trace.dat come to, and how their event formats are read. */
import { limits } from "../limits.ts";
import type { FileCursor } from "./trace-dat-file.ts";
import type { SubBufferReader } from "./trace-source.ts";

/** What both versions come to. */
export type TraceDatTables = {
  headerPage: string;
  formats: { system: string; text: string }[];
  kallsyms: Uint8Array;
  printkFormats: string;
  savedCommands: string;
  options: { id: number; bytes: Uint8Array }[];
  /** Names of the buffers that are left out since another one has events. */
  otherBuffers: string[];
  subBufferSize: number;
  cpus: { cpu: number; open: () => SubBufferReader; bytes: number }[];
};

/** Numbers of the options, of both versions. */
export const OptionId = { date: 1, cpuStat: 2, buffer: 3, traceClock: 4, uname: 5, offset: 7, cpuCount: 8 } as const;

/** u32 systems; each its name, then its formats. */
export function readSystems(cursor: FileCursor): TraceDatTables["formats"] {
  const formats: TraceDatTables["formats"] = [];
  const systems = cursor.u32();
  for (let system = 0; system < systems; system++) {
    const name = cursor.string(limits.eventFormatBytes);
    for (const format of readSystem(cursor, name)) formats.push(format);
    if (formats.length > limits.eventFormats) throw cursor.file.damaged("too many event formats");
  }
  return formats;
}

/** A count, then formats, each after its u64 length. */
export function readSystem(cursor: FileCursor, system: string): TraceDatTables["formats"] {
  const count = cursor.u32();
  if (count > limits.eventFormats) throw cursor.file.damaged(`${count} event formats of "${system}"`);
  return Array.from({ length: count }, () => ({ system, text: cursor.text(cursor.u64()) }));
}
