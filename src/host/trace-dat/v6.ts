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
import { limits } from "../../limits.ts";
import { Bytes } from "./bytes.ts";
import { clockName, describingOptions, optionId } from "./options.ts";
import type { OutputFile } from "./output-file.ts";
import { type Observer, type Recording, streamOf } from "./recording.ts";
import { describingSections } from "./sections.ts";
import { chunkSize, readStream } from "./stream-reader.ts";

export function writeV6(file: OutputFile, recording: Recording, observe: Observer): void {
  const { layout, cpus } = recording;
  file.write(head(recording));
  const tablePosition = file.position;
  file.write(new Uint8Array(cpus * 16));
  // Because option TRACECLOCK is there.
  const clock = `[${clockName(recording)}]`;
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
    for (const chunk of readStream(stream, chunkSize(limits.copyBytes, layout.sizeBytes))) {
      observe(cpu, chunk);
      file.write(chunk);
    }
  }
  file.patch(tablePosition, table.take());
}

function head(recording: Recording): Uint8Array {
  const bytes = new Bytes().u8(0x17).u8(0x08).u8(0x44).text("tracing").cString("6");
  bytes.u8(0).u8(recording.layout.longBytes).u32(recording.layout.sizeBytes);
  for (const { body } of describingSections(recording.metadata)) bytes.raw(body);
  bytes.u32(recording.cpus).cString("options  ");
  for (const option of describingOptions(recording)) bytes.raw(option);
  return bytes.u16(optionId.done).cString("flyrecord").take();
}
