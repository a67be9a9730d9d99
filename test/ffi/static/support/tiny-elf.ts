/** ELF files of a few hundred bytes, made by hand, for tests of what reads and rewrites such files. */
import { programHeaderBytes, type ProgramHeader } from "../../../../ffi/static/elf.ts";

export const machineCodes = { x64: 62, arm64: 183, riscv: 243 };

export type TinyElf = {
  type: number;
  machine: number;
  entry: number;
  headers: ProgramHeader[];
  size: number;
  /** Where the section headers are, and what each tells; none by default. */
  sections?: { at: number; list: { name: string; offset: number; address: number; size: number }[] };
};

export function header(type: number, part: Partial<ProgramHeader> = {}): ProgramHeader {
  return { type, flags: 4, offset: 0, address: 0, fileSize: 0, memorySize: 0, align: 8, ...part };
}

/** The file header, the program headers behind it, and filling that tells its offset. */
export function tinyElf({ type, machine, entry, headers, size, sections }: TinyElf): Uint8Array {
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
  if (sections !== undefined) writeSections(bytes, view, sections);
  return bytes;
}

/** The section headers, and behind them the names: the last section. */
function writeSections(bytes: Uint8Array, view: DataView, { at, list }: NonNullable<TinyElf["sections"]>): void {
  const namesAt = at + (list.length + 1) * 64;
  let names = "";
  for (const [i, { name, offset, address, size }] of [
    ...list,
    { name: "", offset: namesAt, address: 0, size: 0 },
  ].entries()) {
    bytes.fill(0, at + i * 64, at + (i + 1) * 64);
    view.setUint32(at + i * 64, names.length, true);
    for (const [n, word] of [address, offset, size].entries())
      view.setBigUint64(at + i * 64 + 16 + n * 8, BigInt(word), true);
    names += `${name}\0`;
  }
  bytes.set(Buffer.from(names, "latin1"), namesAt);
  view.setBigUint64(40, BigInt(at), true);
  view.setUint16(58, 64, true);
  view.setUint16(60, list.length + 1, true);
  view.setUint16(62, list.length, true);
}

/** What Bun's output looks like, small: headers, interpreter, two segments, dynamic section, a note; the program in `.bun`. */
export const programParts: TinyElf = {
  type: 2,
  machine: machineCodes.x64,
  entry: 0x401100,
  size: 0x4200,
  sections: {
    at: 0x4000,
    list: [
      { name: ".bss", offset: 0x2800, address: 0x402800, size: 0x600 },
      { name: ".bun", offset: 0x3000, address: 0x403000, size: 0xf00 },
    ],
  },
  headers: [
    header(6, { offset: 64, address: 0x400040, fileSize: 392, memorySize: 392 }),
    header(3, { offset: 0x200, address: 0x400200, fileSize: 28, memorySize: 28, align: 1 }),
    header(1, { flags: 5, address: 0x400000, fileSize: 0x2000, memorySize: 0x2000, align: 0x1000 }),
    header(1, { flags: 6, offset: 0x2000, address: 0x402000, fileSize: 0x2000, memorySize: 0x2000, align: 0x1000 }),
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
