/**
 * Reads a trace.dat of version 6 or 7 (trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)) in bounded memory: its tables at once,
 * its events as they are asked for. The file is believed nothing: each length is checked against the file and limits.ts.
 */
import { AgentError } from "../errors.ts";
import { limits } from "../limits.ts";
import { FileCursor, openTraceFile, type TraceFile } from "./trace-dat-file.ts";
import { readSections } from "./trace-dat-v7.ts";
import { layoutOf, parseHeaderPage, type SubBufferLayout } from "./sub-buffer.ts";
import { PlainCpuData } from "./trace-dat-cpu-data.ts";
import { OptionId, readSystem, readSystems, type TraceDatTables } from "./trace-dat-tables.ts";
import type { TraceMetadata, TraceSource } from "./trace-source.ts";

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

function readTraceDat(file: TraceFile): TraceSource {
  const cursor = new FileCursor(file, true);
  const magic = Buffer.from(cursor.bytes(10)).toString("latin1");
  if (magic !== "\x17\x08\x44tracing") throw new AgentError("usage", `cannot read "${file.path}": it is no trace.dat`);
  const version = cursor.string(8);
  const littleEndian = cursor.u8() === 0;
  cursor.littleEndian = littleEndian;
  const longBytes = cursor.u8() === 4 ? 4 : 8;
  const pageSize = cursor.u32();
  let tables: TraceDatTables;
  if (version === "6") tables = readVersion6(cursor, pageSize);
  else if (version === "7") tables = readSections(cursor, pageSize);
  else {
    throw new AgentError("usage", `cannot read "${file.path}": version "${version}" of trace.dat`, {
      remedy: "versions 6 and 7 are known; trace-cmd convert may help",
    });
  }
  const layout = subBufferLayout(file, tables, longBytes, littleEndian);
  return {
    metadata: metadataOf(tables, layout, littleEndian),
    cpus: tables.cpus.map(({ cpu }) => cpu),
    totalBytes: tables.cpus.reduce((sum, { bytes }) => sum + bytes, 0),
    leftOut: tables.otherBuffers.map((name) => (name === "" ? "the top-level one" : name)),
    open: () => tables.cpus.map((cpu) => cpu.open()),
    close: () => file.close(),
  };
}

/** The file's page size counts: header_page may be that of another machine's default. */
function subBufferLayout(file: TraceFile, tables: TraceDatTables, longBytes: 4 | 8, littleEndian: boolean): SubBufferLayout {
  const described = parseHeaderPage(tables.headerPage, littleEndian);
  const sizeBytes = tables.subBufferSize;
  if (sizeBytes < 256 || sizeBytes > limits.subBufferMaxBytes || sizeBytes % 8 !== 0) {
    throw file.damaged(`a sub-buffer size of ${sizeBytes}`);
  }
  return layoutOf(sizeBytes, described?.longBytes ?? longBytes, littleEndian);
}

function metadataOf(tables: TraceDatTables, layout: SubBufferLayout, littleEndian: boolean): TraceMetadata {
  const texts = (id: number): string[] =>
    tables.options.filter((option) => option.id === id).map(({ bytes }) => Buffer.from(bytes).toString("latin1").split("\0", 1)[0] ?? "");
  const offsets = [...texts(OptionId.date), ...texts(OptionId.offset)].map((text) => parseOffset(text));
  return {
    layout: { ...layout, littleEndian },
    formats: tables.formats,
    kallsyms: tables.kallsyms,
    printkFormats: tables.printkFormats,
    savedCommands: tables.savedCommands,
    savedTgids: "",
    clock: /\[([\w-]+)\]/.exec(texts(OptionId.traceClock)[0] ?? "")?.[1] ?? "local",
    uname: texts(OptionId.uname)[0] ?? "",
    cpuStats: texts(OptionId.cpuStat),
    timeOffset: offsets.reduce((sum, offset) => sum + offset, 0n),
  };
}

function parseOffset(text: string): bigint {
  const [, sign, digits] = /^\s*(-?)((?:0x[0-9a-f]{1,16})|\d{1,19})/i.exec(text) ?? [];
  const value = BigInt(digits ?? 0);
  return sign === "-" ? -value : value;
}

function readVersion6(cursor: FileCursor, pageSize: number): TraceDatTables {
  const { file } = cursor;
  const { headerPage, formats } = readFormats(cursor);
  const kallsyms = cursor.table(cursor.u32());
  const printkFormats = cursor.text(cursor.u32());
  const savedCommands = cursor.text(cursor.u64());
  const count = cursor.u32();
  if (count > limits.cpusMax) throw file.damaged(`${count} CPUs`);
  let section = cursor.string(10);
  const options: TraceDatTables["options"] = [];
  if (section === "options  ") {
    for (let id = cursor.u16(); id !== 0; id = cursor.u16()) options.push({ id, bytes: cursor.table(cursor.u32()) });
    section = cursor.string(10);
  }
  if (section.startsWith("latency")) throw new AgentError("usage", `cannot read "${file.path}": it holds latency text, not events`);
  if (section !== "flyrecord") throw file.damaged(`a section "${section}"`);
  let cpus = readPlaces(cursor, count);
  let otherBuffers: string[] = [];
  // A recording of instances alone has an empty top-level buffer.
  const buffers = options.filter((option) => option.id === OptionId.buffer && option.bytes.length > 8);
  if (buffers.length > 0 && cpus.every(({ bytes }) => bytes === 0)) {
    const named = buffers.map(({ bytes }) => readBuffer(cursor, bytes, count));
    const filled = named.find(hasEvents);
    cpus = filled?.cpus ?? cpus;
    otherBuffers = named.filter((buffer) => buffer !== filled && hasEvents(buffer)).map(({ name }) => name);
  } else otherBuffers = buffers.map(({ bytes }) => readBuffer(cursor, bytes, count)).filter(hasEvents).map(({ name }) => name);
  return { headerPage, formats, kallsyms, printkFormats, savedCommands, options, otherBuffers, subBufferSize: pageSize, cpus };
}

/** The option of an instance's buffer: a u64 place in the file, a name; there as at the end of a version 6 file. */
function readBuffer(cursor: FileCursor, bytes: Uint8Array, count: number): { name: string; cpus: TraceDatTables["cpus"] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = Buffer.from(bytes.subarray(8)).toString("latin1").split("\0", 1)[0] ?? "";
  const there = new FileCursor(cursor.file, cursor.littleEndian, Number(view.getBigUint64(0, cursor.littleEndian)));
  let section = there.string(10);
  let cpus = count;
  if (section === "options  ") {
    for (let id = there.u16(); id !== 0; id = there.u16()) {
      const option = there.table(there.u32());
      if (id === OptionId.cpuCount && option.length >= 4) {
        cpus = new DataView(option.buffer, option.byteOffset).getUint32(0, cursor.littleEndian);
      }
    }
    section = there.string(10);
  }
  if (section !== "flyrecord" || cpus > limits.cpusMax) throw cursor.file.damaged(`no events of buffer "${name}"`);
  return { name, cpus: readPlaces(there, cpus) };
}

function hasEvents({ cpus }: { cpus: TraceDatTables["cpus"] }): boolean {
  return cpus.some(({ bytes }) => bytes > 0);
}

function readPlaces(cursor: FileCursor, count: number): TraceDatTables["cpus"] {
  return Array.from({ length: count }, (_, cpu) => {
    const offset = cursor.u64();
    const bytes = cursor.u64();
    if (bytes > 0 && offset + bytes > cursor.file.size) {
      throw cursor.file.damaged(`it ends before the events of CPU ${cpu}, which need ${offset + bytes} bytes`);
    }
    return { cpu, bytes, open: () => new PlainCpuData(cursor.file, cpu, offset, bytes) };
  });
}

/** header_page, header_event and the formats, in the order of version 6. */
function readFormats(cursor: FileCursor): { headerPage: string; formats: TraceDatTables["formats"] } {
  cursor.expect("header_page");
  const headerPage = cursor.text(cursor.u64());
  cursor.expect("header_event");
  cursor.table(cursor.u64());
  const formats = [...readSystem(cursor, "ftrace"), ...readSystems(cursor)];
  return { headerPage, formats };
}
