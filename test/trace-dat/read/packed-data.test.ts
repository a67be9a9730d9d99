/** CPU data in chunks that are compressed separately, of any size. */
import { describe, expect, test } from "bun:test";
import { memoryFile } from "../../../src/trace-dat/read/file.ts";
import { readHead } from "../../../src/trace-dat/read/reader.ts";
import { eventData, packedSections, page } from "../../support/hostile-files.ts";
import { inQuickForm } from "../../support/quick.ts";
import { joinTraceDat } from "../../support/trace-dat-sections.ts";

const events = page(1_000_000_000n, [eventData(5, 1)]);

/** What the CPUs' readers give, a part of each in turn, and how often the file was read for it. */
function readAll(cpus: readonly (readonly Uint8Array[])[], partBytes = 1000): { data: Buffer[]; reads: number } {
  const bytes = joinTraceDat(
    { sections: packedSections({}), options: [] },
    cpus.map((chunks, cpu) => ({ cpu, chunks })),
  );
  const file = memoryFile("made.dat", new Uint8Array(bytes));
  let reads = 0;
  const counted = {
    ...file,
    readAt: (target: Uint8Array, position: number) => {
      reads++;
      return file.readAt(target, position);
    },
  };
  const [buffer] = readHead(counted).tables.buffers;
  const readers = (buffer?.cpus ?? []).map(({ open }) => open());
  const data = readers.map(() => Buffer.alloc(0));
  const part = new Uint8Array(partBytes);
  reads = 0;
  for (let more = true; more;) {
    more = false;
    for (const [i, reader] of readers.entries()) {
      const got = reader.read(part);
      data[i] = Buffer.concat([data[i] ?? Buffer.alloc(0), part.subarray(0, got)]);
      more ||= got > 0;
    }
  }
  return { data, reads };
}

/** The bytes in pieces of this size. */
const inPieces = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));

describe("chunks", () => {
  test.each([1, 3, 500, 4096, 10_000])("of %d bytes, of CPUs that are read in turn, give what was packed", (size) => {
    const all = Buffer.concat([
      events,
      Buffer.from(Array.from({ length: inQuickForm(1, 3) * 4096 }, (_, i) => i % 251)),
    ]);
    const { data } = readAll([inPieces(all, size), [], inPieces(events, size)]);
    expect(data.map((bytes) => bytes.toString("hex"))).toEqual([all.toString("hex"), "", events.toString("hex")]);
  });

  test("that are empty are passed over", () => {
    const empty = Buffer.alloc(0);
    expect(readAll([[empty, events, empty, empty, events, empty]]).data).toEqual([Buffer.concat([events, events])]);
  });

  test("that are tiny are not read one by one", () => {
    const { data, reads } = readAll([Array.from({ length: 4096 }, () => Buffer.alloc(1))]);
    expect(data[0]).toEqual(Buffer.alloc(4096));
    expect(reads).toBeLessThan(100);
  });
});
