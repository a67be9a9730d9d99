/** Options that tell how stamps become times, as strtoll(3) and trace-cmd read them; what is not understood is passed over and told. */
import { expect, test } from "bun:test";
import { OptionId } from "../../../src/trace-dat/format.ts";
import { readTimeOptions } from "../../../src/trace-dat/read/time-options.ts";
import { timeShiftOption } from "../../../src/trace-dat/write/time-options.ts";

const read = (id: number, bytes: Uint8Array, warnings: string[] = []): ReturnType<typeof readTimeOptions> =>
  readTimeOptions([{ id, bytes: new Uint8Array(bytes) }], true, warnings);
const offsetOf = (text: string, id: number = OptionId.offset): bigint | undefined =>
  read(id, Buffer.from(`${text}\0`)).timeOffset;
const optionHeadBytes = 6;

test("OFFSET and DATE are numbers as C has them, DATE in us", () => {
  const texts = ["12", " -12", "+0x1F", "010", "-010", "0", "08", "x", "", "9".repeat(30), `-${"9".repeat(30)}`];
  const most = (1n << 63n) - 1n;
  expect(texts.map((text) => offsetOf(text))).toEqual([12n, -12n, 31n, 8n, -8n, 0n, 0n, 0n, 0n, most, -most - 1n]);
  expect(offsetOf("0x10", OptionId.date)).toBe(16_000n);
});

test("TIME_SHIFT has its samples by time, one for each time", () => {
  const sample = (time: bigint, offset: bigint) => ({ time, offset, scaling: 1n, fractionBits: 0n });
  const samples = [[sample(20n, 2n), sample(10n, 1n), sample(10n, 1n)], [sample(5n, -1n)]];
  const bytes = timeShiftOption({ hostTraceId: 7n, interpolated: true, samples }).subarray(optionHeadBytes);
  expect(read(OptionId.timeShift, bytes).timeShift).toEqual({
    hostTraceId: 7n,
    interpolated: true,
    samples: [[sample(10n, 1n), sample(20n, 2n)], [sample(5n, -1n)]],
  });
});

test("an option that is cut, or holds what cannot be, is passed over and told", () => {
  const warnings: string[] = [];
  const ticks = Buffer.alloc(16);
  ticks.writeUInt32LE(3, 0);
  ticks.writeUInt32LE(33, 4);
  expect(read(OptionId.tsc2nsec, ticks, warnings).ticks).toBeUndefined();
  expect(read(OptionId.timeShift, Buffer.alloc(20, 0xff), warnings).timeShift).toBeUndefined();
  expect(read(OptionId.guest, Buffer.from("vm\0"), warnings).guests).toEqual([]);
  expect(warnings.map((text) => /\((\w+)\)/.exec(text)?.[1])).toEqual(["TSC2NSEC", "TIME_SHIFT", "GUEST"]);
});
