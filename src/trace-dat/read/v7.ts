/** The sections of a trace.dat of version 7 (trace-cmd.dat.v7(5)): options that say where the other sections are. */
import { foreignText } from "../../base/foreign-text.ts";
import { AgentError, isBeyondBound, messageOf } from "../../base/errors.ts";
import { unzstd } from "../../base/unzstd.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { chunkPages, ftraceSystem, OptionId, Part, sectionCompressed, SectionId } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import { KeptChunks, PackedCpuData, type Unpack } from "./packed-data.ts";
import { PlainCpuData } from "./cpu-data.ts";
import { FileCursor, once } from "./cursor.ts";
import { memoryFile, type TraceFile } from "./file.ts";
import { ReadWindow } from "./read-window.ts";
import { type BufferTable, type Option, readSystem, readSystems, type TraceDatTables } from "./tables.ts";

type Reader = {
  file: TraceFile;
  cursor: FileCursor;
  littleEndian: boolean;
  unpack: Unpack;
  chunks: KeptChunks;
  window: ReadWindow;
};

/** What follows the version in the file's head; `warnings` is told of what was passed over. */
export function readSections(cursor: FileCursor, pageSize: number, warnings: string[]): TraceDatTables {
  const { file, littleEndian } = cursor;
  const algorithm = cursor.string(traceDatLimits.compressorNameChars);
  cursor.string(traceDatLimits.compressorNameChars);
  const unpack = unpackerOf(algorithm, file);
  const [chunks, window] = [new KeptChunks(), new ReadWindow(file, littleEndian)];
  const reader: Reader = { file, cursor, littleEndian, unpack, chunks, window };
  const optionsPointer = cursor.position;
  const options = readOptions(reader, cursor.u64());
  const laterSection = (id: number): (() => FileCursor) | undefined => {
    const place = options.find((option) => option.id === id);
    return place === undefined ? undefined : openSection(reader, placeOf(place.bytes, reader), id).body;
  };
  const section = (id: number): FileCursor | undefined => laterSection(id)?.();
  const header = section(SectionId.headerInfo);
  if (header === undefined) throw file.damaged("no header_page");
  header.expect(Part.headerPage);
  const headerPage = header.text(header.u64(), traceDatLimits.headerBytes);
  const ftrace = section(SectionId.ftraceEvents);
  const formats = ftrace === undefined ? [] : readSystem(ftrace, ftraceSystem);
  const events = section(SectionId.eventFormats);
  if (events !== undefined) for (const format of readSystems(events)) formats.push(format);
  const kallsyms = laterSection(SectionId.kallsyms);
  const printk = laterSection(SectionId.printk);
  const commands = section(SectionId.commandLines);
  const described = options.filter((option) => option.id === OptionId.buffer);
  if (described.length > traceDatLimits.buffersMax) throw file.damaged("too many buffers");
  const buffers = described.map(({ bytes }) => readBuffer(reader, bytes, pageSize));
  const texts = options.filter(({ id }) => id === OptionId.bufferText);
  if (buffers.length === 0) {
    if (texts.length > 0)
      throw new AgentError("input", `cannot read "${file.path}": it holds latency text, not events`);
    throw file.damaged("no events");
  }
  if (texts.length > 0) warnings.push(`it holds latency text of ${texts.length} buffers too, which is not shown`);
  const cpus = cpuCount(options, littleEndian);
  const whole = ({ name, clock, subBufferSize, cpus: listed }: BufferTable): BufferTable => {
    cursor.spend(cpus * traceDatLimits.cpuTableBytes);
    return { name, clock, subBufferSize: subBufferSize || pageSize, options: [], cpus: allCpus(listed, cpus) };
  };
  return {
    version: 7,
    headerPage,
    formats,
    kallsyms: once(() => {
      const body = kallsyms?.();
      return body?.table(body.u32(), traceDatLimits.kallsymsBytes) ?? new Uint8Array(0);
    }),
    printkFormats: once(() => {
      const body = printk?.();
      return body?.text(body.u32(), traceDatLimits.printkFormatsBytes) ?? "";
    }),
    savedCommands: commands === undefined ? "" : commandsIn(commands, warnings),
    optionsPointer,
    options,
    buffers: buffers.map(whole),
  };
}

/** trace-cmd tells how long the list was when it looked first: a busy kernel may have a shorter one when it is copied. */
function commandsIn(body: FileCursor, warnings: string[]): string {
  const told = body.u64();
  const left = body.file.size - body.position;
  if (told <= left || told > traceDatLimits.savedCommandsBytes)
    return body.text(told, traceDatLimits.savedCommandsBytes);
  warnings.push(`its list of task names has ${left} bytes, not ${told}: a task may be without a name`);
  return body.text(left);
}

function cpuCount(options: readonly Option[], littleEndian: boolean): number {
  const bytes = options.find(({ id }) => id === OptionId.cpuCount)?.bytes;
  if (bytes === undefined || bytes.length < 4) return 0;
  return Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, littleEndian), tracefsLimits.cpusMax);
}

/** Those without events, which a buffer does not list, are CPUs of the machine too. */
function allCpus(listed: BufferTable["cpus"], count: number): BufferTable["cpus"] {
  const known = new Map(listed.map((entry) => [entry.cpu, entry]));
  const highest = Math.max(count, ...listed.map(({ cpu }) => cpu + 1));
  if (highest > tracefsLimits.cpusMax) return listed;
  return Array.from(
    { length: highest },
    (_, cpu) => known.get(cpu) ?? { cpu, offset: 0, bytes: 0, open: () => ({ cpu, read: () => 0 }) },
  );
}

function unpackerOf(algorithm: string, file: TraceFile): Unpack {
  const unpackers: Record<string, Unpack> = {
    zstd: unzstd,
    // Loaded when such a file is read: it brings streams with it, 10 ms. What is unpacked to nothing may not be bounded by 0.
    zlib: (packed, bytes) =>
      process.getBuiltinModule("node:zlib").inflateSync(packed, { maxOutputLength: Math.max(1, bytes) }),
    none: (packed) => packed,
  };
  const unpack = Object.hasOwn(unpackers, algorithm) ? unpackers[algorithm] : undefined;
  if (unpack === undefined)
    throw new AgentError("input", `cannot read "${file.path}": it is compressed with "${foreignText(algorithm)}"`);
  return (packed, bytes) => {
    try {
      return unpack(packed, bytes);
    } catch (cause) {
      if (isBeyondBound(cause))
        throw file.damaged(`a part of it unpacks to more than the ${bytes} bytes that the file says`);
      throw file.damaged(`${algorithm} says: ${messageOf(cause)}`);
    }
  };
}

function placeOf(bytes: Uint8Array, { littleEndian, file }: Reader): number {
  if (bytes.length < 8) throw file.damaged("a section without a place");
  const place = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, littleEndian);
  if (place > BigInt(file.size)) throw file.damaged(`a section at ${place}`);
  return Number(place);
}

/** All options, of all their sections. */
function readOptions(reader: Reader, first: number): Option[] {
  const options: Option[] = [];
  const seen = new Set<number>();
  let allBytes = 0;
  for (let place = first; place !== 0;) {
    if (seen.has(place)) throw reader.file.damaged("options in a circle");
    seen.add(place);
    const body = openSection(reader, place, SectionId.options).body();
    place = 0;
    while (body.position + 6 <= body.file.size) {
      const id = body.u16();
      const bytes = body.table(body.u32());
      if (id === OptionId.done) {
        place = placeOf(bytes, reader);
        break;
      }
      options.push({ id, bytes });
      allBytes += bytes.length;
      if (options.length > traceDatLimits.optionsMax || allBytes > traceDatLimits.optionsBytes)
        throw reader.file.damaged("too many options");
    }
  }
  return options;
}

/**
 * u16 id, u16 flags, u32 description, u64 size; then the body, or its packed and unpacked size and the packed body. The body is
 * read, and unpacked, when it is asked for.
 */
function openSection(reader: Reader, place: number, id: number): { body: () => FileCursor; compressed: boolean } {
  const { file, littleEndian, unpack } = reader;
  const cursor = new FileCursor(file, littleEndian, place);
  const found = cursor.u16();
  if (found !== id) throw file.damaged(`section ${found} where ${id} should be`);
  const compressed = (cursor.u16() & sectionCompressed) !== 0;
  cursor.u32();
  const size = cursor.u64();
  if (id === SectionId.flyrecord) return { body: () => cursor, compressed };
  const inMemory = (content: Uint8Array<ArrayBuffer>): FileCursor =>
    new FileCursor(memoryFile(file.path, content, file.budget), littleEndian);
  if (!compressed) {
    const content = cursor.laterTable(size);
    return { body: () => inMemory(content()), compressed };
  }
  const packed = cursor.u32();
  const bytes = cursor.u32();
  cursor.spend(bytes);
  const content = cursor.laterTable(packed);
  return { body: () => inMemory(unpack(content(), bytes)), compressed };
}

function readBuffer(reader: Reader, bytes: Uint8Array<ArrayBuffer>, filePageSize: number): BufferTable {
  const { file, littleEndian, unpack, window } = reader;
  const option = new FileCursor(memoryFile(file.path, bytes), littleEndian);
  const place = option.u64();
  const name = option.string(traceDatLimits.nameChars);
  const clock = option.string(64);
  const pageSize = option.u32();
  const count = option.u32();
  if (count > tracefsLimits.cpusMax) throw file.damaged(`${count} CPUs`);
  reader.cursor.spend(count * traceDatLimits.cpuTableBytes);
  const { compressed } = openSection(reader, place, SectionId.flyrecord);
  const chunkBytes = Math.min(
    Math.max(traceDatLimits.chunkUsualBytes, (pageSize || filePageSize) * chunkPages),
    traceDatLimits.chunkBytes,
  );
  const cpus = Array.from({ length: count }, () => {
    const cpu = option.u32();
    const offset = option.u64();
    const size = option.u64();
    if (size > 0 && offset + size > file.size) throw file.damaged(`it ends before the events of CPU ${cpu}`);
    const open =
      compressed && size > 0
        ? () => new PackedCpuData(file, cpu, offset, size, { window, unpack, chunkBytes, kept: reader.chunks })
        : () => new PlainCpuData(file, cpu, offset, size);
    return { cpu, offset, bytes: size, open };
  });
  return { name, clock: `[${clock}]`, subBufferSize: pageSize, options: [], cpus };
}
