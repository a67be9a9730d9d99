/** Bytes put together: numbers of 64 bits by both ways, and options whose size is known when they are whole. */
import { describe, expect, test } from "bun:test";
import { Bytes, option } from "../../../src/trace-dat/write/bytes.ts";

describe.each([true, false])("little-endian: %p", (littleEndian) => {
  test.each([0, 1, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER, -1, -(2 ** 40)])(
    "u64(%p) writes a number as the same BigInt",
    (value) => {
      const own = new Bytes(littleEndian).u64(value).take();
      expect(own).toEqual(new Bytes(littleEndian).u64(BigInt(value)).take());
      const view = new DataView(own.buffer, own.byteOffset, own.length);
      expect(view.getBigInt64(0, littleEndian)).toBe(BigInt(value));
    },
  );

  test("option() writes what option() of whole data does, also where it grows on the way", () => {
    const data = new Bytes(littleEndian).cString("x".repeat(500)).u64(7).take();
    const bytes = new Bytes(littleEndian).u8(1).option(9, (own) => own.cString("x".repeat(500)).u64(7));
    expect(bytes.u8(2).take()).toEqual(
      Buffer.concat([Uint8Array.of(1), option(9, data, littleEndian), Uint8Array.of(2)]),
    );
  });
});
