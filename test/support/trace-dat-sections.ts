/** A trace.dat of version 7 taken apart into its sections, unpacked, and put together again: for tests that change them. */
import { inflateSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";

export type Section = { id: number; body: Uint8Array };
export type SplitFile = {
  head: Buffer;
  algorithm: string;
  sections: Section[];
  options: { id: number; body: Buffer }[];
};

const u16 = (value: number): Buffer => Buffer.from(new Uint16Array([value]).buffer);
const u32 = (value: number): Buffer => Buffer.from(new Uint32Array([value >>> 0]).buffer);
const u64 = (value: number): Buffer => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
const header = (id: number, flags: number, size: number): Buffer =>
  Buffer.concat([u16(id), u16(flags), u32(0), u64(size)]);

/** Sections that options point to, and whose bodies are tables. */
const tableIds: ReadonlySet<number> = new Set([16, 17, 18, 19, 20, 21]);
const bufferOption = 3;
const compressedFlag = 1;

/** Of a little-endian file. */
export function splitTraceDat(file: Buffer): SplitFile {
  let at = 10 + 2 + 1 + 1 + 4;
  const names = [0, 0].map(() => {
    const end = file.indexOf(0, at);
    const name = file.toString("latin1", at, end);
    at = end + 1;
    return name;
  });
  const head = file.subarray(0, at);
  const algorithm = names[0] ?? "";
  const unpack = (packed: Buffer): Uint8Array =>
    algorithm === "zstd" ? zstdDecompressSync(packed) : algorithm === "zlib" ? inflateSync(packed) : packed;
  const body = (place: number): Uint8Array => {
    const size = Number(file.readBigUInt64LE(place + 8));
    if ((file.readUInt16LE(place + 2) & compressedFlag) === 0) return file.subarray(place + 16, place + 16 + size);
    return unpack(file.subarray(place + 24, place + 24 + file.readUInt32LE(place + 16)));
  };
  const options: SplitFile["options"] = [];
  for (let place = Number(file.readBigUInt64LE(at)); place !== 0;) {
    const list = Buffer.from(body(place));
    place = 0;
    for (let from = 0; from + 6 <= list.length;) {
      const [id, size] = [list.readUInt16LE(from), list.readUInt32LE(from + 2)];
      const value = list.subarray(from + 6, from + 6 + size);
      from += 6 + size;
      if (id === 0) {
        place = Number(value.readBigUInt64LE(0));
        break;
      }
      options.push({ id, body: value });
    }
  }
  const sections = options
    .filter(({ id }) => tableIds.has(id))
    .map((option) => ({ id: option.id, body: body(Number(option.body.readBigUInt64LE(0))) }));
  return {
    head,
    algorithm,
    sections,
    options: options.filter(({ id }) => !tableIds.has(id) && id !== bufferOption),
  };
}

export type CpuChunks = { cpu: number; chunks: readonly Uint8Array[] };

/** Packed with zstd, whatever the head says; `cpus`: data of the top-level buffer. */
export function joinTraceDat(
  { sections, options }: Pick<SplitFile, "sections" | "options">,
  cpus: readonly CpuChunks[],
  { pageSize = 4096, clock = "local" } = {},
): Buffer {
  const parts: Uint8Array[] = [
    Buffer.from([0x17, 0x08, 0x44]),
    Buffer.from("tracing7\0\0\x08", "latin1"),
    u32(pageSize),
    Buffer.from("zstd\x001\0"),
    u64(0),
  ];
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  const optionsAt = length - 8;
  const add = (...pieces: Uint8Array[]): number => {
    const place = length;
    for (const piece of pieces) {
      parts.push(piece);
      length += piece.length;
    }
    return place;
  };
  const packed = (id: number, content: Uint8Array): number => {
    const small = zstdCompressSync(content);
    return add(header(id, compressedFlag, small.length + 8), u32(small.length), u32(content.length), small);
  };
  const all = options.map(({ id, body }) => ({ id, body }));
  for (const { id, body } of sections) all.push({ id, body: u64(packed(id, body)) });
  const dataAt = add(header(bufferOption, compressedFlag, 0));
  // Chunks that repeat are compressed once.
  const compressed = new Map<Uint8Array, Buffer>();
  const compress = (chunk: Uint8Array): Buffer => {
    const known = compressed.get(chunk) ?? zstdCompressSync(chunk);
    compressed.set(chunk, known);
    return known;
  };
  const places = cpus.map(({ cpu, chunks }) => {
    const place = add(u32(chunks.length));
    for (const chunk of chunks) {
      const small = compress(chunk);
      add(u32(small.length), u32(chunk.length), small);
    }
    return Buffer.concat([u32(cpu), u64(place), u64(length - place)]);
  });
  const buffer = [u64(dataAt), Buffer.from(`\0${clock}\0`), u32(pageSize), u32(places.length), ...places];
  all.push({ id: bufferOption, body: Buffer.concat(buffer) });
  const list = all.flatMap(({ id, body }) => [u16(id), u32(body.length), body]);
  const place = packed(0, Buffer.concat([...list, u16(0), u32(8), u64(0)]));
  const file = Buffer.concat(parts);
  file.writeBigUInt64LE(BigInt(place), optionsAt);
  return file;
}
