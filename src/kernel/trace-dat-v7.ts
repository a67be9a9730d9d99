/** The sections of a trace.dat of version 7 (trace-cmd.dat.v7(5)): options that say where the other sections lie. */
import { zstdDecompressSync, inflateSync } from "node:zlib";
import { AgentError, messageOf } from "../errors.ts";
import { limits } from "../limits.ts";
import { PackedCpuData, PlainCpuData, type Unpack } from "./trace-dat-cpu-data.ts";
import { FileCursor, memoryFile, type TraceFile } from "./trace-dat-file.ts";
import { OptionId, readSystem, readSystems, type TraceDatTables } from "./trace-dat-tables.ts";

const SectionOption = { headerInfo: 16, ftraceEvents: 17, eventFormats: 18, kallsyms: 19, printk: 20, savedCommands: 21 } as const;
const compressedFlag = 1;
/** trace-cmd packs ten pages at a time. */
const chunkMostBytes = 64 * 1024 * 1024;

type Reader = { file: TraceFile; littleEndian: boolean; unpack: Unpack };

export function readSections(cursor: FileCursor, pageSize: number): TraceDatTables {
  const { file, littleEndian } = cursor;
  const algorithm = cursor.string(32);
  cursor.string(32);
  const reader = { file, littleEndian, unpack: unpackerOf(algorithm, file) };
  const options = readOptions(reader, cursor.u64());
  const section = (id: number): FileCursor | undefined => {
    const place = options.find((option) => option.id === id);
    return place === undefined ? undefined : openSection(reader, placeOf(place.bytes, reader), id).body;
  };
  const header = section(SectionOption.headerInfo);
  if (header === undefined) throw file.damaged("no header_page");
  header.expect("header_page");
  const headerPage = header.text(header.u64());
  const ftrace = section(SectionOption.ftraceEvents);
  const formats = ftrace === undefined ? [] : readSystem(ftrace, "ftrace");
  const events = section(SectionOption.eventFormats);
  if (events !== undefined) for (const format of readSystems(events)) formats.push(format);
  const kallsyms = section(SectionOption.kallsyms);
  const printk = section(SectionOption.printk);
  const commands = section(SectionOption.savedCommands);
  const buffers = options.filter((option) => option.id === OptionId.buffer).map(({ bytes }) => readBuffer(reader, bytes));
  const chosen = buffers.find((buffer) => buffer.cpus.some(({ bytes }) => bytes > 0)) ?? buffers[0];
  if (chosen === undefined) throw file.damaged("no events");
  // A buffer names its clock; the option of the whole machine's clock comes after it.
  const clock = { id: OptionId.traceClock, bytes: Buffer.from(`[${chosen.clock}]`, "latin1") };
  return {
    headerPage,
    formats,
    kallsyms: kallsyms?.table(kallsyms.u32()) ?? new Uint8Array(0),
    printkFormats: printk?.text(printk.u32()) ?? "",
    savedCommands: commands?.text(commands.u64()) ?? "",
    options: chosen.clock === "" ? options : [clock, ...options],
    otherBuffers: buffers.filter((buffer) => buffer !== chosen && buffer.cpus.some(({ bytes }) => bytes > 0)).map(({ name }) => name),
    subBufferSize: chosen.pageSize || pageSize,
    cpus: allCpus(chosen.cpus, cpuCount(options, littleEndian)),
  };
}

function cpuCount(options: TraceDatTables["options"], littleEndian: boolean): number {
  const bytes = options.find(({ id }) => id === OptionId.cpuCount)?.bytes;
  return bytes === undefined || bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, littleEndian);
}

/** Those without events, which a buffer does not list, are CPUs of the machine too. */
function allCpus(listed: TraceDatTables["cpus"], count: number): TraceDatTables["cpus"] {
  const known = new Map(listed.map((entry) => [entry.cpu, entry]));
  const highest = Math.max(Math.min(count, limits.cpusMax), ...listed.map(({ cpu }) => cpu + 1));
  if (highest > limits.cpusMax) return listed;
  return Array.from({ length: highest }, (_, cpu) => known.get(cpu) ?? { cpu, bytes: 0, open: () => ({ cpu, read: () => 0 }) });
}

function unpackerOf(algorithm: string, file: TraceFile): Unpack {
  const unpackers: Record<string, Unpack> = {
    zstd: (packed, bytes) => zstdDecompressSync(packed, { maxOutputLength: bytes }),
    zlib: (packed, bytes) => inflateSync(packed, { maxOutputLength: bytes }),
    none: (packed) => packed,
  };
  const unpack = Object.hasOwn(unpackers, algorithm) ? unpackers[algorithm] : undefined;
  if (unpack === undefined) throw new AgentError("usage", `cannot read "${file.path}": it is compressed with "${algorithm}"`);
  return (packed, bytes) => {
    try {
      return unpack(packed, bytes);
    } catch (cause) {
      throw file.damaged(`${algorithm} says: ${messageOf(cause)}`);
    }
  };
}

function placeOf(bytes: Uint8Array, { littleEndian, file }: Reader): number {
  if (bytes.length < 8) throw file.damaged("a section without a place");
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, littleEndian));
}

/** All options, of all their sections. */
function readOptions(reader: Reader, first: number): TraceDatTables["options"] {
  const options: TraceDatTables["options"] = [];
  const seen = new Set<number>();
  for (let place = first; place !== 0; ) {
    if (seen.has(place)) throw reader.file.damaged("options in a circle");
    seen.add(place);
    const { body } = openSection(reader, place, 0);
    place = 0;
    while (body.position + 6 <= body.file.size) {
      const id = body.u16();
      const bytes = body.table(body.u32());
      if (id === 0) {
        place = placeOf(bytes, reader);
        break;
      }
      options.push({ id, bytes });
      if (options.length > limits.eventFormats) throw reader.file.damaged("too many options");
    }
  }
  return options;
}

/** u16 id, u16 flags, u32 description, u64 size; then the body, or its packed and unpacked size and the packed body. */
function openSection(reader: Reader, place: number, id: number): { body: FileCursor; compressed: boolean; start: number } {
  const { file, littleEndian, unpack } = reader;
  const cursor = new FileCursor(file, littleEndian, place);
  const found = cursor.u16();
  if (found !== id) throw file.damaged(`section ${found} where ${id} should be`);
  const compressed = (cursor.u16() & compressedFlag) !== 0;
  cursor.u32();
  const size = cursor.u64();
  const start = cursor.position;
  if (id === OptionId.buffer) return { body: cursor, compressed, start };
  if (!compressed) return { body: new FileCursor(memoryFile(file.path, cursor.table(size)), littleEndian), compressed, start };
  const packed = cursor.u32();
  const bytes = cursor.u32();
  if (bytes > limits.recordingTableBytes) throw file.damaged(`a section of ${bytes} bytes`);
  const body = unpack(cursor.table(packed), bytes);
  return { body: new FileCursor(memoryFile(file.path, body), littleEndian), compressed, start };
}

type Buffer7 = { name: string; clock: string; pageSize: number; cpus: TraceDatTables["cpus"] };

function readBuffer(reader: Reader, bytes: Uint8Array): Buffer7 {
  const { file, littleEndian, unpack } = reader;
  const option = new FileCursor(memoryFile(file.path, bytes), littleEndian);
  const place = option.u64();
  const name = option.string(limits.eventFormatBytes);
  const clock = option.string(64);
  const pageSize = option.u32();
  const count = option.u32();
  if (count > limits.cpusMax) throw file.damaged(`${count} CPUs`);
  const { compressed } = openSection(reader, place, OptionId.buffer);
  const cpus = Array.from({ length: count }, () => {
    const cpu = option.u32();
    const offset = option.u64();
    const size = option.u64();
    if (size > 0 && offset + size > file.size) throw file.damaged(`it ends before the events of CPU ${cpu}`);
    const open = compressed && size > 0
      ? () => new PackedCpuData(file, cpu, offset, { littleEndian, unpack, mostBytes: chunkMostBytes })
      : () => new PlainCpuData(file, cpu, offset, size);
    return { cpu, bytes: size, open };
  });
  return { name, clock, pageSize, cpus };
}
