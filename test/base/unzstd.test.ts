/** unzstd() is node:zlib's, and holds its bound whatever a frame says of itself. */
import { describe, expect, test } from "bun:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { isBeyondBound } from "../../src/base/errors.ts";
import { unzstd } from "../../src/base/unzstd.ts";
import { Random } from "../support/random.ts";
import { testSeed } from "../support/seed.ts";

const MiB = 1024 * 1024;
const rleBlockBytes = 128 * 1024;

/** A frame that says `declared`, of blocks of one byte 128 Ki times (RFC 8878, 3.1.1). */
function frameOf(declared: number, blocks: number): Buffer<ArrayBuffer> {
  const frame = Buffer.alloc(9 + blocks * 4);
  frame.writeUInt32LE(0xfd2fb528, 0);
  frame.writeUInt8(0xa0, 4);
  frame.writeUInt32LE(declared, 5);
  for (let block = 0; block < blocks; block++) {
    frame.writeUIntLE((block === blocks - 1 ? 1 : 0) | (1 << 1) | (rleBlockBytes << 3), 9 + block * 4, 3);
    frame.writeUInt8(65, 12 + block * 4);
  }
  return frame;
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("unzstd()", () => {
  test.each([0, 1, 255, 256, 65_791, 65_792, 300_000, 9 * MiB])("gives back %d bytes", (count) => {
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, at) => at % 251));
    const body = Buffer.alloc(count, bytes);
    expect(unzstd(zstdCompressSync(body), count).length).toBe(count);
    expect(Buffer.compare(unzstd(zstdCompressSync(body), count), body)).toBe(0);
  });

  test("reads several frames, as long as all of them are within the bound", () => {
    const two = Buffer.concat([frameOf(rleBlockBytes, 1), frameOf(2 * rleBlockBytes, 2)]);
    expect(unzstd(two, 3 * rleBlockBytes).length).toBe(3 * rleBlockBytes);
    expect(isBeyondBound(thrownBy(() => unzstd(two, 3 * rleBlockBytes - 1)))).toBe(true);
  });

  test("takes no more memory than its bound for many frames that each are within it", () => {
    const many = Buffer.concat(Array.from({ length: 1024 }, () => frameOf(2 * rleBlockBytes, 2)));
    const before = process.memoryUsage.rss();
    expect(isBeyondBound(thrownBy(() => unzstd(many, 8 * MiB)))).toBe(true);
    expect(process.memoryUsage.rss() - before).toBeLessThan(128 * MiB);
  });

  test.each([1, rleBlockBytes, 8 * MiB, 8 * MiB + 1, 20 * MiB, 0xffff_ffff])(
    "takes no more memory than its bound where a frame of 1 GiB says that it holds %d bytes",
    (declared) => {
      const frame = frameOf(declared, 8192);
      const before = process.memoryUsage.rss();
      expect(thrownBy(() => unzstd(frame, 8 * MiB))).toBeInstanceOf(Error);
      expect(process.memoryUsage.rss() - before).toBeLessThan(128 * MiB);
    },
  );

  test("refuses a frame that ends, with no bytes, before what it says that it holds", () => {
    const frame = zstdCompressSync(Buffer.alloc(5000, "events of a trace "));
    // The head of its first block, in three bytes behind the frame's: the last block, stored, of no bytes.
    frame.writeUIntLE(1, 7, 3);
    expect(thrownBy(() => unzstd(frame, 6000))).toBeInstanceOf(Error);
  });

  test("of changed and cut frames it gives what node:zlib gives, or throws", () => {
    const random = new Random(testSeed);
    const frame = zstdCompressSync(Buffer.alloc(5000, "events of a trace "));
    let whole = 0;
    for (let round = 0; round < 1000; round++) {
      const changed = Buffer.from(frame.subarray(0, round % 3 === 0 ? random.below(frame.length + 1) : frame.length));
      if (changed.length > 0 && round % 3 !== 0)
        changed[random.below(Math.min(changed.length, 24))] = random.below(256);
      let expected: Buffer | undefined;
      try {
        expected = zstdDecompressSync(changed, { maxOutputLength: 6000 });
      } catch {
        expected = undefined;
      }
      if (expected === undefined) expect(thrownBy(() => unzstd(changed, 6000))).toBeInstanceOf(Error);
      else {
        whole++;
        expect(Buffer.compare(unzstd(changed, 6000), expected)).toBe(0);
      }
    }
    expect(whole).toBeGreaterThan(10);
  });
});
