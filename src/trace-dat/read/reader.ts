/**
 * Reads a trace.dat of version 6 or 7 (trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)) in bounded memory: its tables at once,
 * its events as they are asked for. The file is believed nothing: each length is checked against the file and limits.ts.
 */
import { AgentError } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { clockIn } from "../../tracefs/trace-clocks.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { ByteOrder, magic, OptionId } from "../format.ts";
import { chosenBuffer, hasEvents, optionTexts, statisticsOf } from "./buffers.ts";
import { FileCursor } from "./cursor.ts";
import { openTraceFile, type TraceFile } from "./file.ts";
import { readVersion6 } from "./v6.ts";
import { readSections } from "./v7.ts";
import { layoutOf, parseHeaderPage, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { type BufferTable, checkPlaces, type TraceDatTables } from "./tables.ts";
import { readTimeOptions } from "./time-options.ts";
import type { TraceSource } from "../trace-source.ts";
import { type TraceMetadata, withParts } from "../../events/trace-metadata.ts";

/** Throws an AgentError that says what is wrong with the file. */
export function openTraceDat(path: string): TraceSource {
  const file = openTraceFile(path);
  try {
    return readTraceDat(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** What stands before the events. */
export type TraceDatHead = {
  littleEndian: boolean;
  longBytes: 4 | 8;
  pageSize: number;
  tables: TraceDatTables;
  warnings: string[];
};

export function readHead(file: TraceFile): TraceDatHead {
  const cursor = new FileCursor(file, true);
  if (Buffer.from(cursor.bytes(magic.length)).toString("latin1") !== magic)
    throw new AgentError("input", `cannot read "${file.path}": it is no trace.dat`);
  const version = cursor.string(8);
  const littleEndian = cursor.u8() === ByteOrder.little;
  cursor.littleEndian = littleEndian;
  const longBytes = cursor.u8() === 4 ? 4 : 8;
  const pageSize = cursor.u32();
  const warnings: string[] = [];
  let tables: TraceDatTables;
  if (version === "6") tables = readVersion6(cursor, pageSize, warnings);
  else if (version === "7") tables = readSections(cursor, pageSize, warnings);
  else {
    throw new AgentError("input", `cannot read "${file.path}": version "${foreignText(version)}" of trace.dat`, {
      remedy: "versions 6 and 7 are known; trace-cmd convert may help",
    });
  }
  return { littleEndian, longBytes, pageSize, tables, warnings };
}

function readTraceDat(file: TraceFile): TraceSource {
  const { littleEndian, longBytes, tables, warnings } = readHead(file);
  const buffer = chosenBuffer(tables.buffers);
  if (buffer === undefined) throw file.damaged("no events");
  checkPlaces(file, buffer);
  const described = parseHeaderPage(tables.headerPage, littleEndian);
  const layoutFor = ({ subBufferSize }: BufferTable): SubBufferLayout =>
    subBufferLayout(file, subBufferSize, described?.longBytes ?? longBytes, littleEndian);
  const times = readTimeOptions(tables.options, littleEndian, warnings);
  const sourceOf = (one: BufferTable): TraceSource => ({
    metadata: withParts(metadataOf(tables, one, layoutFor(one)), times),
    cpus: one.cpus.map(({ cpu }) => cpu),
    open: () => {
      checkPlaces(file, one);
      return one.cpus.map((cpu) => cpu.open());
    },
    close: () => file.close(),
  });
  const buffers = tables.buffers.map((one) => ({ name: one.name, isEmpty: !hasEvents(one), source: sourceOf(one) }));
  return { ...sourceOf(buffer), buffers, warnings };
}

/** The file's page size counts: header_page may be that of another machine's default. */
function subBufferLayout(file: TraceFile, sizeBytes: number, longBytes: 4 | 8, littleEndian: boolean): SubBufferLayout {
  if (sizeBytes < 256 || sizeBytes > tracefsLimits.subBufferMaxBytes || sizeBytes % 8 !== 0) {
    throw file.damaged(`a sub-buffer size of ${sizeBytes}`);
  }
  return layoutOf(sizeBytes, longBytes, littleEndian);
}

function metadataOf(tables: TraceDatTables, buffer: BufferTable, layout: SubBufferLayout): TraceMetadata {
  return {
    layout,
    cpus: buffer.cpus.length,
    headerPage: tables.headerPage,
    formats: tables.formats,
    get kallsyms() {
      return tables.kallsyms();
    },
    get printkFormats() {
      return tables.printkFormats();
    },
    savedCommands: tables.savedCommands,
    traceClock: `[${clockAmong(tables, buffer)}]`,
    uname: optionTexts(tables.options, OptionId.uname)[0] ?? "",
    cpuStats: statisticsOf(buffer, tables.options),
  };
}

/** Where a buffer of version 7 and the recording's option disagree, the option is right: trace-cmd wrote it later. */
function clockAmong({ version, options, buffers }: TraceDatTables, buffer: BufferTable): string {
  const told = optionTexts(options, OptionId.traceClock);
  const own = version === 6 ? [...told, buffers[0]?.clock ?? "", buffer.clock] : [buffer.clock, ...told];
  return own.flatMap((text) => clockIn(text) ?? []).at(-1) ?? "local";
}
