/** The tables of a trace.dat of version 6 (trace-cmd.dat.v6(5)), which follow each other. */
import { AgentError } from "../../base/errors.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { ftraceSystem, OptionId, Part } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import { optionTexts } from "./buffers.ts";
import { PlainCpuData } from "./cpu-data.ts";
import { FileCursor } from "./cursor.ts";
import { memoryFile } from "./file.ts";
import { type BufferTable, type Option, readSystem, readSystems, type TraceDatTables } from "./tables.ts";

/** What follows the version in the file's head; `warnings` is told of what was passed over. */
export function readVersion6(cursor: FileCursor, pageSize: number, warnings: string[]): TraceDatTables {
  const { headerPage, formats } = readFormats(cursor);
  const kallsyms = cursor.laterTable(cursor.u32(), traceDatLimits.kallsymsBytes);
  const printkFormats = cursor.laterText(cursor.u32(), traceDatLimits.printkFormatsBytes);
  const savedCommands = cursor.text(cursor.u64(), traceDatLimits.savedCommandsBytes);
  const top = readBuffer(cursor, "", cursor.u32(), pageSize);
  if (top === undefined)
    throw new AgentError("input", `cannot read "${cursor.file.path}": it holds latency text, not events`);
  const { options } = top;
  const count = top.cpus.length;
  const buffers: BufferTable[] = [{ ...top, options: [] }];
  for (const { bytes } of options.filter(({ id }) => id === OptionId.buffer)) {
    const option = new FileCursor(memoryFile(cursor.file.path, bytes), cursor.littleEndian);
    const place = option.u64();
    const name = option.string(traceDatLimits.nameChars);
    if (buffers.length >= traceDatLimits.buffersMax) throw cursor.file.damaged("too many buffers");
    // `trace-cmd split` leaves such a one beside the right one.
    if (place === 0) {
      warnings.push(`buffer "${name}" has no place in the file and was passed over`);
      continue;
    }
    const buffer = readBuffer(new FileCursor(cursor.file, cursor.littleEndian, place), name, count, pageSize);
    if (buffer === undefined) warnings.push(`buffer "${name}" holds latency text, which is not shown`);
    else buffers.push(buffer);
  }
  return { version: 6, headerPage, formats, kallsyms, printkFormats, savedCommands, options, buffers };
}

/**
 * One buffer's options and the places of its events; the top-level one's stand behind the tables, an instance's wherever an
 * option says. Before trace-cmd 3.0 the option of the clock is empty, and its text stands behind the places. Undefined for
 * the text of a latency tracer.
 */
function readBuffer(cursor: FileCursor, name: string, cpus: number, pageSize: number): BufferTable | undefined {
  const { file } = cursor;
  const start = cursor.position;
  let flyrecord = start;
  let section = cursor.string(10);
  const options: Option[] = [];
  let allBytes = 0;
  if (section === Part.options) {
    for (let id = cursor.u16(); id !== OptionId.done; id = cursor.u16()) {
      if (options.length >= traceDatLimits.optionsMax) throw file.damaged("too many options");
      const bytes = cursor.table(cursor.u32(), traceDatLimits.optionsBytes - allBytes);
      allBytes += bytes.length;
      options.push({ id, bytes });
    }
    flyrecord = cursor.position;
    section = cursor.string(10);
  }
  if (section.startsWith(Part.latency)) return undefined;
  if (section !== Part.flyrecord) throw file.damaged(`a section "${section}" where events should be`);
  const told = options.findLast(({ id, bytes }) => id === OptionId.cpuCount && bytes.length >= 4);
  const count =
    told === undefined ? cpus : new FileCursor(memoryFile(file.path, told.bytes), cursor.littleEndian).u32();
  if (count > tracefsLimits.cpusMax) throw file.damaged(`${count} CPUs`);
  const places = { options: start, flyrecord, table: cursor.position };
  const tables = readPlaces(cursor, count);
  const clocks = optionTexts(options, OptionId.traceClock);
  const clock = clocks.findLast((text) => text.includes("[")) ?? (clocks.length > 0 ? readClock(cursor) : "");
  return { name, clock, subBufferSize: pageSize, options, cpus: tables, places };
}

/** The text of trace_clock, after its u64 length; "" where something else stands there. */
function readClock(cursor: FileCursor): string {
  const left = cursor.file.size - cursor.position;
  const bytes = left < 8 ? 0n : cursor.bigint();
  if (bytes === 0n || bytes > BigInt(Math.min(traceDatLimits.clockTextBytes, left - 8))) return "";
  return cursor.text(Number(bytes));
}

function readPlaces(cursor: FileCursor, count: number): BufferTable["cpus"] {
  const { file } = cursor;
  cursor.spend(count * traceDatLimits.cpuTableBytes);
  return Array.from({ length: count }, (_, cpu) => {
    const offset = cursor.u64();
    const bytes = cursor.u64();
    if (bytes > 0 && offset + bytes > file.size)
      throw file.damaged(`it ends before the events of CPU ${cpu}, which need ${offset + bytes} bytes`);
    return { cpu, offset, bytes, open: () => new PlainCpuData(file, cpu, offset, bytes) };
  });
}

/** header_page, header_event and the formats. */
function readFormats(cursor: FileCursor): { headerPage: string; formats: TraceDatTables["formats"] } {
  cursor.expect(Part.headerPage);
  const headerPage = cursor.text(cursor.u64(), traceDatLimits.headerBytes);
  cursor.expect(Part.headerEvent);
  cursor.table(cursor.u64(), traceDatLimits.headerBytes);
  const formats = [...readSystem(cursor, ftraceSystem), ...readSystems(cursor)];
  return { headerPage, formats };
}
