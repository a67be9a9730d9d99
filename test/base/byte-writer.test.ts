import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { testSeed } from "../support/seed.ts";

function written(write: (writer: ByteWriter) => void): string {
  const writer = new ByteWriter(() => {});
  write(writer);
  return Buffer.from(writer.bytes.subarray(0, writer.length)).toString("latin1");
}

const halves = (value: bigint): [high: number, low: number] => [
  Number(BigInt.asIntN(32, value >> 32n)),
  Number(BigInt.asIntN(32, value)),
];

/** Where a part has one digit more, or a half is full. */
const edges = [0n, 999_999_999n, 1_000_000_000n, (1n << 53n) - 1n, 1n << 53n, (1n << 63n) - 1n, 1n << 63n];
const special = [...edges, (1n << 64n) - 1n, 18_000_000_000_000_000_000n, 18_446_744_073_000_000_000n];

test("unsigned64() and signed64() write what a bigint is in decimal", () => {
  const check = (value: bigint): void => {
    expect(written((writer) => writer.unsigned64(...halves(value)))).toBe(`${value}`);
    expect(written((writer) => writer.signed64(...halves(value)))).toBe(`${BigInt.asIntN(64, value)}`);
  };
  for (const value of special) check(value);
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), check), { seed: testSeed, numRuns: 2_000 });
});
