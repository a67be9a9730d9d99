/**
 * Reads and writes the two parts of an ELF file that the build needs: the file header and the program headers.
 *
 * Only 64-bit little-endian files are known; everything else is refused with what was found. Offsets and numbers are
 * those of elf.h (System V ABI, chapter 4 and 5). Values are numbers: files and addresses are far below 2^53.
 */
import { BuildError } from "./build-error.ts";

/** p_type */
export const segmentTypes = {
  load: 1,
  dynamic: 2,
  interpreter: 3,
  note: 4,
  headers: 6,
  relro: 0x6474e552,
} as const;

/** p_flags. PROT_READ and PROT_EXEC of mmap have each other's bit here. */
export const flags = { execute: 1, write: 2, read: 4 } as const;

export type Machine = "x64" | "arm64";
export type FileType = "executable" | "shared";

/** e_machine, and the largest page of that machine, to which mappings must be aligned in the file. */
export const machines: Record<Machine, { code: number; maxPageSize: number }> = {
  x64: { code: 62, maxPageSize: 0x1000 },
  arm64: { code: 183, maxPageSize: 0x10000 },
};

export type ProgramHeader = {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
  align: number;
};

export type Elf = { entry: number; headersOffset: number; headers: ProgramHeader[] };

const fileHeaderSize = 64;
export const programHeaderSize = 56;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function number64(view: DataView, offset: number, what: string): number {
  const value = view.getBigUint64(offset, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new BuildError(`${what} is not plausible: ${value}`);
  return Number(value);
}

/** The headers of an ELF file that must be of this type and machine. `name` is what messages call it. */
export function readElf(bytes: Uint8Array, name: string, type: FileType, machine: Machine): Elf {
  const refuse = (found: string): never => {
    throw new BuildError(`cannot use "${name}": ${found}`);
  };
  if (bytes.length < fileHeaderSize) refuse("too short for an ELF file");
  const view = viewOf(bytes);
  if (view.getUint32(0) !== 0x7f454c46) refuse("not an ELF file");
  if (view.getUint8(4) !== 2 || view.getUint8(5) !== 1) refuse("not a 64-bit little-endian ELF file");
  const types: Record<number, FileType> = { 2: "executable", 3: "shared" };
  const foundType = types[view.getUint16(16, true)];
  if (foundType !== type) {
    const expected = type === "executable" ? "an executable at fixed addresses" : "a shared object";
    refuse(`expected ${expected}, found ${foundType === "shared" ? "a shared object or PIE" : "another type"}`);
  }
  const foundMachine = view.getUint16(18, true);
  if (foundMachine !== machines[machine].code) refuse(`not for ${machine} (e_machine is ${foundMachine})`);
  if (view.getUint16(54, true) !== programHeaderSize) refuse("program headers of an unknown size");
  const headersOffset = number64(view, 32, "e_phoff");
  const count = view.getUint16(56, true);
  if (headersOffset + count * programHeaderSize > bytes.length) refuse("truncated in its program headers");
  const headers: ProgramHeader[] = [];
  for (let i = 0; i < count; i++) {
    const header = readHeader(view, headersOffset + i * programHeaderSize);
    if (header.offset + header.fileSize > bytes.length) refuse(`truncated in segment ${i}`);
    headers.push(header);
  }
  return { entry: number64(view, 24, "e_entry"), headersOffset, headers };
}

function readHeader(view: DataView, at: number): ProgramHeader {
  return {
    type: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    offset: number64(view, at + 8, "p_offset"),
    address: number64(view, at + 16, "p_vaddr"),
    fileSize: number64(view, at + 32, "p_filesz"),
    memorySize: number64(view, at + 40, "p_memsz"),
    align: number64(view, at + 48, "p_align"),
  };
}

/** The program headers as bytes of a file. p_paddr is p_vaddr, as every linker writes it. */
export function programHeaderBytes(headers: ProgramHeader[]): Uint8Array {
  const bytes = new Uint8Array(headers.length * programHeaderSize);
  const view = viewOf(bytes);
  for (const [i, header] of headers.entries()) {
    const at = i * programHeaderSize;
    view.setUint32(at, header.type, true);
    view.setUint32(at + 4, header.flags, true);
    const words = [header.offset, header.address, header.address, header.fileSize, header.memorySize, header.align];
    for (const [n, word] of words.entries()) view.setBigUint64(at + 8 + n * 8, BigInt(word), true);
  }
  return bytes;
}

/** Puts another entry address and other program headers (not more than there were) into a copy of a file header. */
export function replaceHeaders(start: Uint8Array, elf: Elf, entry: number, headers: ProgramHeader[]): Uint8Array {
  if (headers.length > elf.headers.length) throw new BuildError("no room for the new program headers");
  const copy = start.slice();
  const view = viewOf(copy);
  view.setBigUint64(24, BigInt(entry), true);
  view.setUint16(56, headers.length, true);
  copy.fill(0, elf.headersOffset, elf.headersOffset + elf.headers.length * programHeaderSize);
  copy.set(programHeaderBytes(headers), elf.headersOffset);
  return copy;
}

export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
