/** The sections of an ELF file that readElf() took: where a linker put what. The kernel does not read them. */
import { BuildError } from "./build-error.ts";

type Section = { name: string; address: number; size: number };

const sectionHeaderSize = 64;

/** The sections that are in memory when the program runs. Offsets are those of elf.h (Elf64_Ehdr, Elf64_Shdr). */
export function readSections(bytes: Uint8Array, name: string): Section[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const table = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  if (
    view.getUint16(58, true) !== sectionHeaderSize ||
    table + count * sectionHeaderSize > bytes.length ||
    namesIndex >= count
  ) {
    throw new BuildError(`cannot use "${name}": its section headers are not where its file header says`);
  }
  const word = (index: number, field: number): number =>
    Number(view.getBigUint64(table + index * sectionHeaderSize + field, true));
  const names = word(namesIndex, 24);
  const textAt = (offset: number): string => {
    const start = names + offset;
    return new TextDecoder("latin1").decode(bytes.subarray(start, Math.max(start, bytes.indexOf(0, start))));
  };
  return Array.from({ length: count }, (_, index) => ({
    name: textAt(view.getUint32(table + index * sectionHeaderSize, true)),
    address: word(index, 16),
    size: word(index, 32),
  })).filter(({ address }) => address > 0);
}
