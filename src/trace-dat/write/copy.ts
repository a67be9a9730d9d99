/**
 * A copy of a trace.dat, by whomever, with other options; all else stays as it is. In version 7 a new section with all options
 * is put behind the rest, and the file's head leads to it. In version 6 the options stand before the data: what follows them
 * moves by whole sub-buffers, so that the data stays aligned, and the places that the file tells move with it.
 */
import type { OutputFile } from "../../base/output-file.ts";
import { OptionId, Part, SectionId } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import type { TraceFile } from "../read/file.ts";
import type { TraceDatHead } from "../read/reader.ts";
import type { BufferTable, Option } from "../read/tables.ts";
import { Bytes, option } from "./bytes.ts";

/** `more`: whole options, in the file's byte order. `replaced`: the file's own of these are left out. */
export function copyWithOptions(
  file: TraceFile,
  head: TraceDatHead,
  output: OutputFile,
  more: readonly Uint8Array[],
  replaced: (option: Option) => boolean,
): void {
  const kept = head.tables.options.filter((one) => !replaced(one));
  if (head.tables.version === 7) copyV7(file, head, output, kept, more);
  else copyV6(file, head, output, kept, more);
}

function copyV7(
  file: TraceFile,
  { littleEndian, tables }: TraceDatHead,
  output: OutputFile,
  kept: readonly Option[],
  more: readonly Uint8Array[],
): void {
  copyBytes(file, output, 0, file.size);
  const place = output.position;
  const body = new Bytes(littleEndian);
  for (const { id, bytes } of kept) body.raw(option(id, bytes, littleEndian));
  for (const one of more) body.raw(one);
  const end = new Bytes(littleEndian).u64(0).take();
  body.raw(option(OptionId.done, end, littleEndian));
  output.write(new Bytes(littleEndian).u16(SectionId.options).u16(0).u32(0).u64(body.length).take());
  output.write(body.take());
  if (tables.optionsPointer !== undefined)
    output.patch(tables.optionsPointer, new Bytes(littleEndian).u64(place).take());
}

function copyV6(
  file: TraceFile,
  { littleEndian, pageSize, tables }: TraceDatHead,
  output: OutputFile,
  kept: readonly Option[],
  more: readonly Uint8Array[],
): void {
  const [top, ...instances] = tables.buffers;
  if (top?.places === undefined) throw file.damaged("no places of its events");
  const { options, flyrecord, table } = top.places;
  const build = (moved: number): Uint8Array => {
    const bytes = new Bytes(littleEndian).cString(Part.options);
    for (const one of kept) bytes.raw(option(one.id, movedOption(one, moved, littleEndian), littleEndian));
    for (const one of more) bytes.raw(one);
    return bytes.u16(OptionId.done).take();
  };
  const growth = build(0).length - (flyrecord - options);
  const moved = Math.max(0, Math.ceil(growth / pageSize)) * pageSize;
  copyBytes(file, output, 0, options);
  output.write(build(moved));
  const behindTable = firstPlace(tables.buffers, file.size);
  copyBytes(file, output, flyrecord, behindTable);
  output.write(new Uint8Array(moved - growth));
  copyBytes(file, output, behindTable, file.size);
  output.patch(table + growth, movedTable(top, moved, littleEndian));
  for (const instance of instances) {
    if (instance.places === undefined) throw file.damaged(`no places of the events of buffer "${instance.name}"`);
    output.patch(instance.places.table + moved, movedTable(instance, moved, littleEndian));
  }
}

/** What follows the table of the first buffer: data, or another buffer. */
function firstPlace(buffers: readonly BufferTable[], size: number): number {
  const places = buffers.flatMap(({ cpus, places: own }, index) => [
    ...cpus.filter(({ bytes }) => bytes > 0).map(({ offset }) => offset),
    ...(index > 0 && own !== undefined ? [own.options] : []),
  ]);
  return Math.min(size, ...places);
}

/** An option BUFFER begins with the place of the buffer, 0 for none. */
function movedOption({ id, bytes }: Option, moved: number, littleEndian: boolean): Uint8Array {
  if (id !== OptionId.buffer || bytes.length < 8) return bytes;
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  const place = view.getBigUint64(0, littleEndian);
  if (place !== 0n) view.setBigUint64(0, place + BigInt(moved), littleEndian);
  return copy;
}

function movedTable({ cpus }: BufferTable, moved: number, littleEndian: boolean): Uint8Array {
  const table = new Bytes(littleEndian);
  for (const { offset, bytes } of cpus) table.u64(offset === 0 ? 0 : offset + moved).u64(bytes);
  return table.take();
}

function copyBytes(file: TraceFile, output: OutputFile, from: number, to: number): void {
  const block = new Uint8Array(traceDatLimits.copyBytes);
  for (let position = from; position < to;) {
    const got = file.readAt(block.subarray(0, Math.min(block.length, to - position)), position);
    if (got === 0) throw file.damaged("it was cut short while it was copied");
    output.write(block.subarray(0, got));
    position += got;
  }
}
