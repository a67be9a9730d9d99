import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter, constant } from "../../src/base/byte-writer.ts";
import { baseLimits } from "../../src/base/limits.ts";
import { testSeed } from "../support/seed.ts";
import { inQuickForm } from "../support/quick.ts";

const writer = new ByteWriter(() => {});

function written(write: (writer: ByteWriter) => void): string {
  writer.length = 0;
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
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), check), {
    seed: testSeed,
    numRuns: inQuickForm(500, 2_000),
  });
});

test("decimal(), digits(), sixDigits(), hex() and octal() write what numbers are in text", () => {
  const check = (value: bigint): void => {
    const [high, low] = halves(value);
    const small = low & 0x7fff_ffff;
    const parts = [
      written((writer) => writer.hex(high, low)),
      written((writer) => writer.hex(high >>> 0, low >>> 0, true)),
      written((writer) => writer.decimal(small)),
      written((writer) => writer.digits(small % 1e9, 9)),
      written((writer) => writer.sixDigits(small % 1e6)),
      written((writer) => writer.hexByte(low & 0xff)),
      written((writer) => writer.octal(high, low)),
    ];
    const hex = value.toString(16);
    const padded = `${small % 1e9}`.padStart(9, "0");
    const wanted = [hex, hex.toUpperCase(), `${small}`, padded, `${small % 1e6}`.padStart(6, "0")];
    expect(parts).toEqual([...wanted, (low & 0xff).toString(16).padStart(2, "0"), value.toString(8)]);
  };
  for (const value of special) check(value);
  for (let power = 1n; power < 2n ** 33n; power *= 10n) for (const near of [-1n, 0n, 1n]) check(power + near);
  for (let bits = 0n; bits < 64n; bits++) check(1n << bits);
  const anyWidth = fc.tuple(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.bigInt({ min: 0n, max: 63n }));
  fc.assert(
    fc.property(anyWidth, ([value, bits]) => check(value >> bits)),
    { seed: testSeed, numRuns: inQuickForm(50, 200) },
  );
});

test("a line that is longer than the writer's room is cut, whatever is written at its end", () => {
  const room = baseLimits.textBufferBytes + baseLimits.textLineBytes;
  const end = constant("the end");
  for (let left = 0; left < 9; left++) {
    let text = "";
    const writer = new ByteWriter((bytes) => (text = Buffer.from(bytes).toString("latin1")));
    writer.spaces(room - left);
    for (const write of [
      () => writer.put(end),
      () => writer.hex(-1, -1),
      () => writer.decimal(2 ** 40),
      () => writer.sixDigits(7),
      () => writer.string(Buffer.from("text"), 0, 4),
    ])
      write();
    expect(writer.isFull).toBe(true);
    writer.endLine();
    expect([text.length, text.slice(room - left)]).toEqual([room, `the endff`.slice(0, left)]);
  }
});
