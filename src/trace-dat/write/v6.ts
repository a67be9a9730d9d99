/**
 * trace.dat version 6, as trace-cmd writes it by default and every reader of the family opens (trace-cmd.dat.v6(5)):
 *
 *     17 08 44 "tracing" "6\0" | u8 0 little-endian | u8 long size | u32 sub-buffer size
 *     headers, ftrace's formats, event formats, kallsyms, printk formats, command lines (sections.ts)
 *     u32 CPUs | "options  \0", options, u16 0 | "flyrecord\0" | per CPU u64 offset, u64 size | u64 length "[clock]"
 *     per CPU its sub-buffers, at a multiple of the sub-buffer size
 *
 * The table of offsets is written last, so that a file that was not finished cannot be taken for one that was.
 */
import { ByteOrder, magic, OptionId, Part } from "../format.ts";
import { Bytes } from "./bytes.ts";
import { putDescribingOptions } from "./options.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { OutputFile } from "../../base/output-file.ts";
import { type Observer, type Recording, streamOf } from "./recording.ts";
import { describingSections } from "./sections.ts";
import { readInBlocks } from "./stream-file.ts";

/** Yields between pieces of data, so that the caller can stop in between. */
export function* writeV6(file: OutputFile, recording: Recording, observe: Observer): Generator<number, void> {
  const { layout, cpus } = recording;
  for (const part of head(recording)) file.write(part);
  const tablePosition = file.position;
  file.write(new Uint8Array(cpus * 16));
  // Because option TRACECLOCK is there.
  const clock = `[${clockOf(recording.metadata)}]`;
  file.write(new Bytes().u64(clock.length).text(clock).take());

  const table = new Bytes();
  // Each stream is whole sub-buffers, so that only the first needs to be aligned.
  file.align(layout.sizeBytes);
  file.reserve(recording.streams.reduce((sum, { bytes }) => sum + bytes, 0));
  for (let cpu = 0; cpu < cpus; cpu++) {
    file.align(layout.sizeBytes);
    const stream = streamOf(recording, cpu);
    table.u64(file.position).u64(stream?.bytes ?? 0);
    if (stream === undefined) continue;
    for (const chunk of readInBlocks(stream, layout.sizeBytes, file.position)) {
      observe(cpu, chunk);
      file.write(chunk);
      yield chunk.length;
    }
  }
  file.patch(tablePosition, table.take());
}

function* head(recording: Recording): Generator<Uint8Array, void> {
  const { layout, metadata, cpus } = recording;
  yield new Bytes().text(magic).cString("6").u8(ByteOrder.little).u8(layout.longBytes).u32(layout.sizeBytes).take();
  for (const { head: front, body } of describingSections(metadata)) {
    if (front !== undefined) yield front;
    yield body;
  }
  const bytes = new Bytes().u32(cpus).cString(Part.options);
  putDescribingOptions(bytes, recording);
  yield bytes.u16(OptionId.done).cString(Part.flyrecord).take();
}
