/** ELF files of a few hundred bytes, made by hand, for tests of what reads and rewrites such files. */
import { programHeaderBytes, type ProgramHeader } from "../../../../ffi/static/elf.ts";

export const machineCodes = { x64: 62, arm64: 183, riscv: 243 };

export type TinyElf = { type: number; machine: number; entry: number; headers: ProgramHeader[]; size: number };

export function header(type: number, part: Partial<ProgramHeader> = {}): ProgramHeader {
  return { type, flags: 4, offset: 0, address: 0, fileSize: 0, memorySize: 0, align: 8, ...part };
}

/** The file header, the program headers behind it, and filling that tells its offset. */
export function tinyElf({ type, machine, entry, headers, size }: TinyElf): Uint8Array {
  const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, 0n, true);
  view.setUint32(48, 0, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, headers.length, true);
  bytes.set(programHeaderBytes(headers), 64);
  return bytes;
}

/** What Bun's output looks like, small: headers, interpreter, two segments, dynamic section, a note. */
export const programParts: TinyElf = {
  type: 2,
  machine: machineCodes.x64,
  entry: 0x401100,
  size: 0x3200,
  headers: [
    header(6, { offset: 64, address: 0x400040, fileSize: 392, memorySize: 392 }),
    header(3, { offset: 0x200, address: 0x400200, fileSize: 28, memorySize: 28, align: 1 }),
    header(1, { flags: 5, address: 0x400000, fileSize: 0x2000, memorySize: 0x2000, align: 0x1000 }),
    header(1, { flags: 6, offset: 0x2000, address: 0x402000, fileSize: 0x1000, memorySize: 0x5678, align: 0x1000 }),
    header(2, { flags: 6, offset: 0x2100, address: 0x402100, fileSize: 0x1f0, memorySize: 0x1f0 }),
    header(0x6474e551, { flags: 6 }),
    header(4, { offset: 0x240, address: 0x400240, fileSize: 0x44, memorySize: 0x44, align: 4 }),
  ],
};

/** A shared object of one segment. */
export const partsOfLibrary: TinyElf = {
  type: 3,
  machine: machineCodes.x64,
  entry: 0x80,
  size: 0x900,
  headers: [
    header(1, { flags: 5, fileSize: 0x800, memorySize: 0x800, align: 0x1000 }),
    header(1, { flags: 6, offset: 0x800, address: 0x1800, fileSize: 0x100, memorySize: 0x900, align: 0x1000 }),
    header(0x6474e552, { offset: 0x800, address: 0x1800, fileSize: 0x80, memorySize: 0x80, align: 1 }),
  ],
};
