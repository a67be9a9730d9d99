/**
 * The program inside Bun's executable: its section `.bun`, at the end of the writable segment.
 *
 * Nothing writes to it. Where reservations are counted (vm.overcommit_memory=2) each of its pages counts all the same while it may be
 * written to: 7 MiB, most of it bytecode. So the kernel gets two segments, of which that of the program is read-only.
 */
import { BuildError } from "./build-error.ts";
import { alignUp, flags, type ProgramHeader, segmentTypes } from "./elf.ts";
import { readSections } from "./elf-sections.ts";

const payloadName = ".bun";

/** The headers with the segment divided, at a page of the largest size that the machine may have. */
export function withReadOnlyPayload(
  program: Uint8Array,
  name: string,
  headers: readonly ProgramHeader[],
  pageSize: number,
): ProgramHeader[] {
  const refuse = (why: string): never => {
    throw new BuildError(
      `cannot use "${name}": ${why}`,
      "this Bun places the program in another way than ffi/static knows",
    );
  };
  const sections = readSections(program, name);
  const payload =
    sections.find((section) => section.name === payloadName) ?? refuse(`it has no section ${payloadName}`);
  const index = headers.findIndex(
    ({ type, address, memorySize }) =>
      type === segmentTypes.load && address <= payload.address && payload.address < address + memorySize,
  );
  const whole = headers[index] ?? refuse(`its section ${payloadName} is in no segment`);
  const end = whole.address + whole.memorySize;
  const behind = sections.some((section) => section.address > payload.address && section.address < end);
  if (behind || whole.memorySize !== whole.fileSize) refuse(`its section ${payloadName} is not the end of a segment`);
  const writableSize = alignUp(payload.address, pageSize) - whole.address;
  if (writableSize >= whole.fileSize) return [...headers];
  const readOnly = {
    ...whole,
    flags: whole.flags & ~flags.write,
    offset: whole.offset + writableSize,
    address: whole.address + writableSize,
    fileSize: whole.fileSize - writableSize,
    memorySize: whole.memorySize - writableSize,
  };
  return headers.toSpliced(index, 1, { ...whole, fileSize: writableSize, memorySize: writableSize }, readOnly);
}
