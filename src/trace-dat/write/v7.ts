/**
 * trace.dat version 7, compressed with zstd (trace-cmd.dat.v7(5)); a third to a tenth of the size of version 6. Its sections:
 * v7-sections.ts. Compressed data of a CPU are u32 count of chunks, then per chunk u32 compressed size, u32 size, data.
 */
import { traceDatLimits } from "../limits.ts";
import { chunkCountBytes } from "../format.ts";
import { Bytes } from "./bytes.ts";
import { putDescribingOptions } from "./options.ts";
import type { OutputFile } from "../../base/output-file.ts";
import { type Observer, type Recording, type RecordedStream, streamOf } from "./recording.ts";
import { describingSections } from "./sections.ts";
import { chunkSize, readStream } from "./stream-file.ts";
import { packSection, V7Sections } from "./v7-sections.ts";

/** Yields between pieces of data, so that the caller can stop in between. */
export function* writeV7(file: OutputFile, recording: Recording, observe: Observer): Generator<number, void> {
  const { layout, cpus, metadata } = recording;
  const sections = new V7Sections(file, layout);
  for (const section of describingSections(metadata)) sections.add(packSection(section));
  yield* sections.addData({ cpus, clock: metadata.traceClock, compressed: true }, (cpu) => {
    const stream = streamOf(recording, cpu);
    return stream === undefined ? undefined : writeChunks(file, stream, layout.sizeBytes, observe);
  });
  sections.end((options) => putDescribingOptions(options, recording));
}

function* writeChunks(
  file: OutputFile,
  stream: RecordedStream,
  subBufferBytes: number,
  observe: Observer,
): Generator<number, void> {
  const countPosition = file.position;
  file.write(new Uint8Array(chunkCountBytes));
  let count = 0;
  for (const chunk of readStream(stream, chunkSize(traceDatLimits.compressBytes, subBufferBytes))) {
    observe(stream.cpu, chunk);
    const packed = Bun.zstdCompressSync(chunk);
    file.write(new Bytes().u32(packed.length).u32(chunk.length).take());
    file.write(packed);
    count++;
    yield chunk.length;
  }
  file.patch(countPosition, new Bytes().u32(count).take());
}
