/**
 * trace.dat version 7, compressed with zstd (trace-cmd.dat.v7(5)); a third to a tenth of the size of version 6.
 *
 *     17 08 44 "tracing" "7\0" | u8 0 little-endian | u8 long size | u32 sub-buffer size | "zstd\0" version "\0"
 *     u64 position of the options section, written last
 *     sections, each: u16 id | u16 flags, 1 = compressed | u32 position of its name in the strings section | u64 size
 *
 * A compressed section holds u32 compressed size, u32 size, data. The data of the CPUs lie in one "flyrecord" section, each
 * CPU at a multiple of the sub-buffer size: u32 count of chunks, then per chunk u32 compressed size, u32 size, data. Option
 * BUFFER says where.
 */
import { zstdCompressSync } from "node:zlib";
import { limits } from "../../limits.ts";
import { Bytes } from "./bytes.ts";
import { clockName, describingOptions, option, optionId } from "./options.ts";
import type { OutputFile } from "./output-file.ts";
import { type Observer, type Recording, type RecordedStream, streamOf } from "./recording.ts";
import { describingSections } from "./sections.ts";
import { chunkSize, readStream } from "./stream-reader.ts";

const sectionId = { options: 0, flyrecord: 3, strings: 15 } as const;
const compressed = 1;
const sectionHeaderBytes = 16;

export function writeV7(file: OutputFile, recording: Recording, observe: Observer): void {
  const { layout } = recording;
  const names = new Names();
  // The version names the format's writer for a reader's curiosity; zstd's frames have been stable since 1.0.
  const head = new Bytes().u8(0x17).u8(0x08).u8(0x44).text("tracing").cString("7");
  head.u8(0).u8(layout.longBytes).u32(layout.sizeBytes).cString("zstd").cString(process.versions["zstd"] ?? "1.5.0");
  file.write(head.take());
  const optionsPointer = file.position;
  file.write(new Uint8Array(8));

  const options = describingOptions(recording);
  for (const { id, name, body } of describingSections(recording.metadata)) {
    options.push(option(id, new Bytes().u64(file.position).take()));
    writeCompressed(file, id, names.add(name), body);
  }
  options.push(writeData(file, recording, names, observe));
  options.push(option(optionId.done, new Bytes().u64(0).take()));

  const optionsName = names.add("options");
  const stringsName = names.add("strings");
  writeCompressed(file, sectionId.strings, stringsName, names.take());
  const optionsPosition = file.position;
  const body = Buffer.concat(options);
  file.write(sectionHeader(sectionId.options, 0, optionsName, body.length));
  file.write(body);
  file.patch(optionsPointer, new Bytes().u64(optionsPosition).take());
}

/** Names of sections: each is known by its place among all of them. */
class Names {
  readonly #bytes = new Bytes();

  add(name: string): number {
    const place = this.#bytes.length;
    this.#bytes.cString(name);
    return place;
  }

  take(): Uint8Array {
    return this.#bytes.take();
  }
}

function sectionHeader(id: number, flags: number, name: number, size: number): Uint8Array {
  return new Bytes().u16(id).u16(flags).u32(name).u64(size).take();
}

function writeCompressed(file: OutputFile, id: number, name: number, body: Uint8Array): void {
  const packed = zstdCompressSync(body);
  file.write(sectionHeader(id, compressed, name, packed.length + 8));
  file.write(new Bytes().u32(packed.length).u32(body.length).take());
  file.write(packed);
}

/** Writes the section of all CPUs' data, and gives the option that describes it. */
function writeData(file: OutputFile, recording: Recording, names: Names, observe: Observer): Uint8Array {
  const { layout, cpus } = recording;
  const sectionPosition = file.position;
  const name = names.add("buffer flyrecord");
  file.write(sectionHeader(sectionId.flyrecord, compressed, name, 0));
  const buffer = new Bytes().u64(sectionPosition).cString("").cString(clockName(recording)).u32(layout.sizeBytes).u32(cpus);
  for (let cpu = 0; cpu < cpus; cpu++) {
    file.align(layout.sizeBytes);
    const position = file.position;
    const stream = streamOf(recording, cpu);
    if (stream !== undefined) writeChunks(file, stream, layout.sizeBytes, observe);
    buffer.u32(cpu).u64(position).u64(file.position - position);
  }
  const size = file.position - sectionPosition - sectionHeaderBytes;
  file.patch(sectionPosition, sectionHeader(sectionId.flyrecord, compressed, name, size));
  return option(optionId.buffer, buffer.take());
}

function writeChunks(file: OutputFile, stream: RecordedStream, subBufferBytes: number, observe: Observer): void {
  const countPosition = file.position;
  file.write(new Uint8Array(4));
  let count = 0;
  for (const chunk of readStream(stream, chunkSize(limits.compressBytes, subBufferBytes))) {
    observe(stream.cpu, chunk);
    const packed = zstdCompressSync(chunk);
    file.write(new Bytes().u32(packed.length).u32(chunk.length).take());
    file.write(packed);
    count++;
  }
  file.patch(countPosition, new Bytes().u32(count).take());
}
