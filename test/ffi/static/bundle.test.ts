/** The rewriting of Bun's executable, on ELF files made by hand. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { BuildError } from "../../../ffi/static/build-error.ts";
import { makeStatic, type Parts } from "../../../ffi/static/bundle.ts";
import { readElf, segmentTypes } from "../../../ffi/static/elf.ts";
import { withoutPreloadFile } from "../../../ffi/static/loader.ts";
import { header, partsOfLibrary, machineCodes, programParts, tinyElf, type TinyElf } from "./support/tiny-elf.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";

const library = tinyElf(partsOfLibrary);
const parts: Parts = {
  machine: "x64",
  entryCode: new Uint8Array(300).fill(0x90),
  loader: library,
  libraries: [
    { name: "libc.so.6", bytes: library },
    { name: "libm.so.6", bytes: library },
  ],
};

function rewrite(program: Partial<TinyElf>, changed: Partial<Parts> = {}): Buffer {
  return Buffer.concat(makeStatic(tinyElf({ ...programParts, ...program }), "program", { ...parts, ...changed }));
}

function refusal(bytes: Uint8Array, changed: Partial<Parts> = {}): string {
  try {
    makeStatic(bytes, "program", { ...parts, ...changed });
  } catch (error) {
    if (error instanceof BuildError) return error.text;
    throw error;
  }
  return "accepted";
}

/** 64-bit words of the table, as entry.c reads them. */
function words(bytes: Uint8Array, at: number, count: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: count }, (_, i) => Number(view.getBigUint64(at + i * 8, true)));
}

describe("makeStatic", () => {
  const output = rewrite({});
  const elf = readElf(output, "output", "executable", "x64");

  test("leaves the kernel no interpreter and no dynamic section, and two segments more: a read-only program, our code", () => {
    expect(elf.headers).toEqual([
      header(1, { flags: 5, address: 0x400000, fileSize: 0x2000, memorySize: 0x2000, align: 0x1000 }),
      header(1, { flags: 6, offset: 0x2000, address: 0x402000, fileSize: 0x1000, memorySize: 0x1000, align: 0x1000 }),
      header(1, { flags: 4, offset: 0x3000, address: 0x403000, fileSize: 0x1000, memorySize: 0x1000, align: 0x1000 }),
      header(1, { flags: 5, offset: 0x5000, address: 0x404000, fileSize: 0x112c, memorySize: 0x112c, align: 0x1000 }),
      header(0x6474e551, { flags: 6 }),
      header(4, { offset: 0x240, address: 0x400240, fileSize: 0x44, memorySize: 0x44, align: 4 }),
    ]);
    expect(elf.entry).toBe(0x405000);
  });

  test("changes nothing else of the input", () => {
    const input = tinyElf(programParts);
    const headersEnd = 64 + programParts.headers.length * 56;
    expect(output.subarray(headersEnd, input.length)).toEqual(Buffer.from(input.subarray(headersEnd)));
    const withOldWords = Buffer.from(output.subarray(0, 64));
    withOldWords.set(input.subarray(24, 32), 24);
    withOldWords.set(input.subarray(56, 58), 56);
    expect(withOldWords).toEqual(Buffer.from(input.subarray(0, 64)));
  });

  test("puts code and libraries behind it, each at a page of its own", () => {
    expect(output.subarray(0x6000, 0x612c)).toEqual(Buffer.alloc(300, 0x90));
    for (const offset of [0x7000, 0x8000, 0x9000]) {
      expect(output.subarray(offset, offset + library.length)).toEqual(Buffer.from(library));
    }
    expect(output.length).toBe(0x9000 + library.length);
  });

  test("tells the entry code where everything is", () => {
    const [entry, dynamic, headersOffset = 0, headerCount, libraryCount] = words(output, 0x5000, 5);
    expect([entry, dynamic, headerCount, libraryCount]).toEqual([0x401100, 0x402100, 7, 2]);
    const loaderSegments = [0x7000, 0, 0x800, 0x800, 5, 0x7800, 0x1800, 0x100, 0x900, 3];
    expect(words(output, 0x5028, 17)).toEqual([0x7000, 0x900, 0x80, 0x2100, 0x1800, 0x80, 2, ...loaderSegments]);
    const imageSize = 7 * 8 + 6 * 40 + 32;
    expect(words(output, 0x5028 + 2 * imageSize, 2)).toEqual([0x9000, 0x900]);
    expect(output.toString("latin1", 0x5028 + 3 * imageSize - 32, 0x5028 + 3 * imageSize - 22)).toBe("libm.so.6\0");
    expect(headersOffset).toBe(40 + 9 * imageSize);
  });

  test("gives the loader Bun's own headers, PT_PHDR pointing at them", () => {
    const at = 0x5000 + (words(output, 0x5010, 1)[0] ?? 0);
    const [first = header(0), ...others] = programParts.headers;
    const copied = Buffer.from(
      tinyElf({ ...programParts, headers: [{ ...first, address: 0x404000 + at - 0x5000 }, ...others] }),
    );
    expect(output.subarray(at, at + 7 * 56)).toEqual(copied.subarray(64, 64 + 7 * 56));
  });

  test("aligns to the largest page of arm64", () => {
    const machine = machineCodes.arm64;
    const armLibrary = tinyElf({ ...partsOfLibrary, machine });
    const armParts: Partial<Parts> = {
      machine: "arm64",
      loader: armLibrary,
      libraries: [{ name: "libc.so.6", bytes: armLibrary }],
    };
    const arm = readElf(rewrite({ machine }, armParts), "output", "executable", "arm64");
    expect(arm.headers.find((each) => each.offset === 0x10000)?.address).toBe(0x410000);
  });

  test("leaves a program writable that shares its page with what is written to", () => {
    const list = [{ name: ".bun", offset: 0x3800, address: 0x403800, size: 0x700 }];
    const { headers } = readElf(rewrite({ sections: { at: 0x4000, list } }), "output", "executable", "x64");
    expect(headers.filter(({ type }) => type === segmentTypes.load).map((each) => each.flags)).toEqual([5, 6, 5]);
  });

  test("gives the same bytes for the same input", () => {
    expect(rewrite({})).toEqual(output);
  });
});

describe("makeStatic refuses", () => {
  const program = tinyElf(programParts);
  const dynamicLibrary = tinyElf({ ...partsOfLibrary, machine: machineCodes.riscv });
  const without = (type: number): Uint8Array =>
    tinyElf({ ...programParts, headers: programParts.headers.filter((each) => each.type !== type) });
  const patched = (at: number, value: number): Uint8Array => {
    const copy = program.slice();
    copy[at] = value;
    return copy;
  };

  test.each([
    ["an empty file", new Uint8Array(), 'cannot use "program": too short for an ELF file'],
    ["a script", new TextEncoder().encode("#!/bin/sh\n".repeat(20)), 'cannot use "program": not an ELF file'],
    ["a 32-bit file", patched(4, 1), 'cannot use "program": not a 64-bit little-endian ELF file'],
    ["a big-endian file", patched(5, 2), 'cannot use "program": not a 64-bit little-endian ELF file'],
    ["a PIE", patched(16, 3), "expected an executable at fixed addresses, found a shared object or PIE"],
    ["another machine", patched(18, 183), 'cannot use "program": not for x64 (e_machine is 183)'],
    ["a truncated header table", program.subarray(0, 300), "truncated in its program headers"],
    ["a truncated segment", program.subarray(0, 0x2800), "truncated in segment 3"],
    ["an output of its own", without(segmentTypes.interpreter), "is static already: it has no PT_INTERP"],
    ["a file without segments", without(segmentTypes.load), "has nothing to load"],
    ["a static program", without(segmentTypes.dynamic), "is static already: it has no PT_DYNAMIC"],
  ])("%s", (_, bytes, words) => {
    expect(refusal(bytes)).toContain(words);
  });

  test.each([
    ["nowhere", [], "it has no section .bun"],
    ["outside of every segment", [{ address: 0x500000 }], "its section .bun is in no segment"],
    [
      "in front of something that is written to",
      [{}, { name: ".bss", address: 0x403800 }],
      "is not the end of a segment",
    ],
  ])("a program that is %s", (_, found, words) => {
    const list = found.map((part) => ({ name: ".bun", offset: 0x3000, address: 0x403000, size: 0x700, ...part }));
    expect(refusal(tinyElf({ ...programParts, sections: { at: 0x4000, list } }))).toContain(words);
  });

  test("a program in front of zeroed memory", () => {
    const headers = programParts.headers.map((each) =>
      each.address === 0x402000 ? { ...each, memorySize: each.fileSize + 0x100 } : each,
    );
    expect(refusal(tinyElf({ ...programParts, headers }))).toContain("its section .bun is not the end of a segment");
  });

  test("what it made itself", () => {
    expect(refusal(rewrite({}))).toContain("is static already");
  });

  test("a library of another machine", () => {
    const libraries = [{ name: "libc.so.6", bytes: dynamicLibrary }];
    expect(refusal(program, { libraries })).toBe('cannot use "libc.so.6": not for x64 (e_machine is 243)');
  });

  test("more libraries or segments than the table holds", () => {
    const libraries = Array.from({ length: 9 }, () => ({ name: "libc.so.6", bytes: library }));
    expect(refusal(program, { libraries })).toContain("more than 8 libraries");
    const loader = tinyElf({ ...partsOfLibrary, headers: Array.from({ length: 7 }, () => header(1, { fileSize: 8 })) });
    expect(refusal(program, { loader })).toContain("7 PT_LOAD segments, expected 1 to 6");
  });

  test("any damaged header with words, never with a crash", () => {
    fc.assert(
      fc.property(fc.nat(64 + 7 * 56 - 1), fc.nat(255), (at, value) => {
        expect(typeof refusal(patched(at, value))).toBe("string");
      }),
      { numRuns: inQuickForm(100, inLongForm(500, 20_000)) },
    );
  });
});

describe("withoutPreloadFile", () => {
  const loaderWith = (text: string): Uint8Array => new TextEncoder().encode(`\u0001${text}\u0002`);

  test("empties the path and nothing else", () => {
    const changed = withoutPreloadFile(loaderWith("a\0/etc/ld.so.preload\0b"));
    expect(Buffer.from(changed)).toEqual(Buffer.from(loaderWith(`a\0${"\0".repeat(19)}b`)));
  });

  test("refuses a loader that names it nowhere or twice", () => {
    expect(() => withoutPreloadFile(loaderWith("/etc/ld.so.cache\0"))).toThrow("found it nowhere");
    expect(() => withoutPreloadFile(loaderWith("/etc/ld.so.preload\0/etc/ld.so.preload\0"))).toThrow("found it twice");
  });
});
