/** Small sections stand in zstd frames as they are: a decompressor gives the same bytes. */
import { expect, test } from "bun:test";
import { zstdDecompressSync } from "node:zlib";
import { traceDatLimits } from "../../../src/trace-dat/limits.ts";
import { packSection } from "../../../src/trace-dat/write/v7-sections.ts";

const { storedBytes } = traceDatLimits;

test("a section of any size is what zstd unpacks", () => {
  for (const size of [0, 1, 255, 256, 257, storedBytes, storedBytes + 1]) {
    const body = Uint8Array.from({ length: size }, (_, index) => (index * 7) % 251);
    const { packed, bytes } = packSection({ id: 1, name: "names", body });
    expect(bytes).toBe(size);
    expect(zstdDecompressSync(packed).equals(body)).toBe(true);
  }
});

test("a section is stored where it is small, and packed where it is not", () => {
  const lengthOf = (size: number): number =>
    packSection({ id: 1, name: "names", body: new Uint8Array(size) }).packed.length;
  expect(lengthOf(100)).toBe(100 + 9);
  expect(lengthOf(storedBytes)).toBeGreaterThan(storedBytes);
  expect(lengthOf(storedBytes + 1)).toBeLessThan(100);
});
