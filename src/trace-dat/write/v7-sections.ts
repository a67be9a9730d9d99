/**
 * The sections of a trace.dat of version 7 (trace-cmd.dat.v7(5)), whether its data are packed (v7.ts) or not (segment.ts):
 *
 *     17 08 44 "tracing" "7\0" | u8 0 little-endian | u8 long size | u32 sub-buffer size | "zstd\0" version "\0"
 *     u64 position of the options section, written last
 *     sections, each: u16 id | u16 flags, 1 = compressed | u32 position of its name in the strings section | u64 size
 *
 * A compressed section holds u32 compressed size, u32 size, data. The data of the CPUs is in one "flyrecord" section, each CPU at a
 * multiple of the sub-buffer size. Option BUFFER says where.
 */
import type { OutputFile } from "../../base/output-file.ts";
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import { ByteOrder, magic, OptionId, sectionCompressed, sectionHeaderBytes, SectionId } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import { Bytes } from "./bytes.ts";
import { type Section, wholeBody } from "./sections.ts";

const zstdMagic = 0xfd2fb528;
/** What options take of a machine of some CPUs; with more of them they grow. */
const optionsBytes = 2048;

export type PackedSection = { readonly id: number; readonly name: string; readonly packed: Uint8Array; bytes: number };

export function packSection(section: Section): PackedSection {
  const body = wholeBody(section);
  const packed = body.length <= traceDatLimits.storedBytes ? stored(body) : Bun.zstdCompressSync(body);
  return { id: section.id, name: section.name, packed, bytes: body.length };
}

/** zstd's frame with the bytes as they are (RFC 8878, 3.1.1): one segment, its size in one byte, or less 256 in two; one raw block, the last. */
function stored(body: Uint8Array): Uint8Array {
  const frame = new Bytes().u32(zstdMagic);
  if (body.length < 256) frame.u8(0x20).u8(body.length);
  else frame.u8(0x60).u16(body.length - 256);
  const block = (body.length << 3) | 1;
  return frame
    .u8(block & 0xff)
    .u16(block >>> 8)
    .raw(body)
    .take();
}

export class V7Sections {
  readonly #file: OutputFile;
  readonly #layout: SubBufferLayout;
  readonly #names = new Names();
  readonly #optionsPointer: number;
  /** That say where sections are. */
  readonly #options = new Bytes(true, optionsBytes);

  constructor(file: OutputFile, layout: SubBufferLayout) {
    this.#file = file;
    this.#layout = layout;
    // The version names the format's writer for a reader's curiosity; zstd's frames have been stable since 1.0.
    const head = new Bytes().text(magic).cString("7");
    head
      .u8(ByteOrder.little)
      .u8(layout.longBytes)
      .u32(layout.sizeBytes)
      .cString("zstd")
      .cString(process.versions["zstd"] ?? "1.5.0");
    file.write(head.take());
    this.#optionsPointer = file.position;
    file.write(new Uint8Array(8));
  }

  add(section: PackedSection): void {
    this.#options.option(section.id, (own) => own.u64(this.#file.position));
    this.#writePacked(section);
  }

  /** `writeCpu` appends what there is of a CPU. Yields what it yields. */
  *addData(
    { cpus, clock, compressed }: { cpus: number; clock: string | undefined; compressed: boolean },
    writeCpu: (cpu: number) => Generator<number, void> | undefined,
  ): Generator<number, void> {
    const file = this.#file;
    const flags = compressed ? sectionCompressed : 0;
    const sectionPosition = file.position;
    const name = this.#names.add("buffer flyrecord");
    file.write(sectionHeader(SectionId.flyrecord, flags, name, 0));
    const places: number[] = [];
    for (let cpu = 0; cpu < cpus; cpu++) {
      file.align(this.#layout.sizeBytes);
      const position = file.position;
      const writing = writeCpu(cpu);
      if (writing !== undefined) yield* writing;
      places.push(position, file.position - position);
    }
    const size = file.position - sectionPosition - sectionHeaderBytes;
    file.patch(sectionPosition, sectionHeader(SectionId.flyrecord, flags, name, size));
    this.#options.option(OptionId.buffer, (own) => {
      own
        .u64(sectionPosition)
        .cString("")
        .cString(clockOf({ traceClock: clock }))
        .u32(this.#layout.sizeBytes)
        .u32(cpus);
      for (let cpu = 0; cpu < cpus; cpu++)
        own
          .u32(cpu)
          .u64(places[2 * cpu] ?? 0)
          .u64(places[2 * cpu + 1] ?? 0);
    });
  }

  /** `describe`: puts the options that stand before those of the sections. */
  end(describe: (options: Bytes) => void): void {
    const file = this.#file;
    const options = new Bytes(true, optionsBytes);
    describe(options);
    options.raw(this.#options.take()).option(OptionId.done, (own) => own.u64(0));
    const optionsName = this.#names.add("options");
    const stringsName = this.#names.add("strings");
    const strings = packSection({ id: SectionId.strings, name: "", body: this.#names.take() });
    this.#writePacked(strings, stringsName);
    const optionsPosition = file.position;
    file.write(sectionHeader(SectionId.options, 0, optionsName, options.length));
    file.write(options.take());
    file.patch(this.#optionsPointer, new Bytes().u64(optionsPosition).take());
  }

  #writePacked({ id, name, packed, bytes }: PackedSection, place = this.#names.add(name)): void {
    const head = packedHead(id, place, packed.length, bytes);
    this.#file.write(head);
    this.#file.write(packed);
  }
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

/** Of a section that is packed: its header, and the sizes in front of its data. */
function packedHead(id: number, name: number, packedBytes: number, bytes: number): Uint8Array {
  const head = new Bytes().u16(id).u16(sectionCompressed).u32(name);
  return head
    .u64(packedBytes + 8)
    .u32(packedBytes)
    .u32(bytes)
    .take();
}

function sectionHeader(id: number, flags: number, name: number, size: number): Uint8Array {
  return new Bytes().u16(id).u16(flags).u32(name).u64(size).take();
}
