/**
 * Makes Bun's dynamically linked executable static: a pure function from bytes to bytes.
 *
 * The input is left as it is, except for its headers; this goes behind it:
 *
 *     | input | pad | table (one page) | entry code | pad | ld.so | pad | libc.so.6 | pad | ...
 *                     `------ one new PT_LOAD -----'  mapped or copied by the entry code
 *
 * The kernel's view (the program headers of the file) loses PT_INTERP and PT_DYNAMIC and gains that PT_LOAD; PT_PHDR
 * goes too, because only an interpreter reads it; and the program's part of the writable segment is a segment of its own,
 * read-only (payload.ts). The loader's view is a copy of the original headers inside the table page. What the table
 * holds is `struct bundle` of entry.c: keep the two alike.
 */
import { BuildError } from "./build-error.ts";
import {
  alignUp,
  type Elf,
  flags,
  type Machine,
  machines,
  programHeaderBytes,
  type ProgramHeader,
  programHeaderSize,
  readElf,
  replaceHeaders,
  segmentTypes,
} from "./elf.ts";
import { withReadOnlyPayload } from "./payload.ts";

export type Parts = {
  machine: Machine;
  /** Code made by link.ts: position-independent, entry at its first byte, expects the table one page before it. */
  entryCode: Uint8Array;
  loader: Uint8Array;
  libraries: { name: string; bytes: Uint8Array }[];
};

const tableSize = 0x1000;
const maxSegments = 6;
const maxLibraries = 8;
const nameSize = 32;
const imageSize = 7 * 8 + maxSegments * 5 * 8 + nameSize;
const headersOffset = 5 * 8 + (1 + maxLibraries) * imageSize;

/** The static executable as pieces to write one after the other (the first is most of the input, not copied). */
export function makeStatic(program: Uint8Array, name: string, parts: Parts): Uint8Array[] {
  const { machine, entryCode, libraries } = parts;
  const elf = readElf(program, name, "executable", machine);
  const dynamic = soleHeader(elf, segmentTypes.dynamic, `"${name}" is static already: it has no PT_DYNAMIC`);
  soleHeader(elf, segmentTypes.interpreter, `"${name}" is static already: it has no PT_INTERP`);
  soleHeader(elf, segmentTypes.load, `"${name}" has nothing to load`);
  if (libraries.length > maxLibraries) throw new BuildError(`more than ${maxLibraries} libraries`);
  const pageSize = machines[machine].maxPageSize;

  const tableOffset = alignUp(program.length, pageSize);
  const loads = elf.headers.filter((header) => header.type === segmentTypes.load);
  const memoryEnd = Math.max(...loads.map((load) => load.address + load.memorySize));
  const tableAddress = alignUp(memoryEnd, pageSize);
  const segment: ProgramHeader = {
    type: segmentTypes.load,
    flags: flags.read | flags.execute,
    offset: tableOffset,
    address: tableAddress,
    fileSize: tableSize + entryCode.length,
    memorySize: tableSize + entryCode.length,
    align: pageSize,
  };

  const images = [{ name: "ld.so", bytes: parts.loader }, ...libraries];
  const placed: Placed[] = [];
  let end = tableOffset + segment.fileSize;
  for (const image of images) {
    const offset = alignUp(end, pageSize);
    const headers = readElf(image.bytes, image.name, "shared", machine);
    placed.push({ ...image, offset, elf: headers });
    end = offset + image.bytes.length;
  }

  const table = writeTable(elf, dynamic.address, tableAddress, placed);
  const kept = withReadOnlyPayload(program, name, elf.headers, pageSize).filter(
    (header) => !droppedTypes.has(header.type),
  );
  const lastLoad = kept.findLastIndex((header) => header.type === segmentTypes.load);
  const headers = kept.toSpliced(lastLoad + 1, 0, segment);
  const startSize = elf.headersOffset + elf.headers.length * programHeaderSize;
  const start = replaceHeaders(program.subarray(0, startSize), elf, tableAddress + tableSize, headers);

  const pieces = [start, program.subarray(startSize)];
  let written = program.length;
  const append = (offset: number, bytes: Uint8Array): void => {
    pieces.push(new Uint8Array(offset - written), bytes);
    written = offset + bytes.length;
  };
  append(tableOffset, table);
  append(tableOffset + tableSize, entryCode);
  for (const image of placed) append(image.offset, image.bytes);
  return pieces;
}

type Placed = { name: string; bytes: Uint8Array; offset: number; elf: Elf };

const droppedTypes = new Set<number>([segmentTypes.interpreter, segmentTypes.dynamic, segmentTypes.headers]);

function soleHeader(elf: Elf, type: number, otherwise: string): ProgramHeader {
  const header = elf.headers.find((candidate) => candidate.type === type);
  if (header === undefined) throw new BuildError(otherwise, "give the output of `bun build --compile` for Linux");
  return header;
}

/** `struct bundle` and behind it the loader's program headers. */
function writeTable(elf: Elf, dynamicAddress: number, tableAddress: number, placed: Placed[]): Uint8Array {
  const headers = elf.headers.map((header) =>
    header.type === segmentTypes.headers ? { ...header, address: tableAddress + headersOffset } : header,
  );
  const headerBytes = programHeaderBytes(headers);
  if (headersOffset + headerBytes.length > tableSize) throw new BuildError("too many program headers");
  const table = new Uint8Array(tableSize);
  writeWords(table, 0, [elf.entry, dynamicAddress, headersOffset, headers.length, placed.length - 1]);
  for (const [i, image] of placed.entries()) writeImage(table, 5 * 8 + i * imageSize, image);
  table.set(headerBytes, headersOffset);
  return table;
}

/** `struct image`: where the file is in ours, and its segments with offsets in ours. */
function writeImage(table: Uint8Array, at: number, image: Placed): void {
  const loads = image.elf.headers.filter((header) => header.type === segmentTypes.load);
  if (loads.length === 0 || loads.length > maxSegments) {
    throw new BuildError(`cannot use "${image.name}": ${loads.length} PT_LOAD segments, expected 1 to ${maxSegments}`);
  }
  const relro = image.elf.headers.find((header) => header.type === segmentTypes.relro);
  const span = Math.max(...loads.map((load) => load.address + load.memorySize));
  writeWords(table, at, [
    image.offset,
    image.bytes.length,
    image.elf.entry,
    span,
    relro?.address ?? 0,
    relro?.memorySize ?? 0,
    loads.length,
  ]);
  for (const [i, load] of loads.entries()) {
    const words = [image.offset + load.offset, load.address, load.fileSize, load.memorySize, protection(load.flags)];
    writeWords(table, at + 7 * 8 + i * 5 * 8, words);
  }
  const name = new TextEncoder().encode(image.name);
  if (name.length >= nameSize) throw new BuildError(`the name "${image.name}" is too long`);
  table.set(name, at + imageSize - nameSize);
}

function writeWords(bytes: Uint8Array, at: number, words: number[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [i, word] of words.entries()) view.setBigUint64(at + i * 8, BigInt(word), true);
}

/** PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4 of mmap from p_flags. */
function protection(segmentFlags: number): number {
  const read = segmentFlags & flags.read ? 1 : 0;
  const write = segmentFlags & flags.write ? 2 : 0;
  const execute = segmentFlags & flags.execute ? 4 : 0;
  return read | write | execute;
}
