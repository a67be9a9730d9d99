/** A file's options that change its times, in trace-cmd's order: TIME_SHIFT, TSC2NSEC, then OFFSET and DATE. */
import { Order, type TraceDat } from "./model.ts";

export type ClockAdjustment = (time: bigint, cpu: number) => bigint;

const id = { date: 1, offset: 7, timeShift: 12, tscToNs: 14 } as const;

export function clockAdjustment(dat: TraceDat): ClockAdjustment {
  const order = new Order(dat.bigEndian);
  const find = (option: number): Buffer | undefined => dat.options.findLast((one) => one.id === option)?.data;
  const shift = find(id.timeShift);
  const shifts = shift === undefined ? [] : timeShifts(shift, order);
  const tsc = find(id.tscToNs);
  const number = (data: Buffer | undefined): bigint => BigInt(data?.toString("latin1").split("\0")[0]?.trim() ?? 0);
  // DATE counts microseconds, OFFSET nanoseconds.
  const offset = number(find(id.offset)) + number(find(id.date)) * 1000n;
  return (time, cpu) => {
    let result = time + (shifts[cpu]?.(time) ?? 0n);
    if (tsc !== undefined) result = (result * order.read(tsc, 0, 4)) >> order.read(tsc, 4, 4);
    return result + offset;
  };
}

/** u64 trace id, u32 flags, u32 CPUs; of each CPU u32 n, n times, n offsets, n scalings. */
function timeShifts(data: Buffer, order: Order): ((time: bigint) => bigint)[] {
  const signed = (at: number): bigint => BigInt.asIntN(64, order.read(data, at, 8));
  const interpolated = (order.number(data, 8, 4) & 1) !== 0;
  let at = 16;
  return Array.from({ length: order.number(data, 12, 4) }, () => {
    const count = order.number(data, at, 4);
    const samples = Array.from({ length: count }, (_, index) => ({
      time: order.read(data, at + 4 + 8 * index, 8),
      offset: signed(at + 4 + 8 * (count + index)),
    })).sort((a, b) => (a.time < b.time ? -1 : 1));
    at += 4 + 24 * count;
    return (time) => {
      const [first, second] = samples;
      if (first === undefined || second === undefined) return first?.offset ?? 0n;
      const before = Math.max(
        0,
        samples.findLastIndex((sample) => sample.time <= time),
      );
      const one = samples[Math.min(before, samples.length - 2)] ?? first;
      const two = samples[Math.min(before + 1, samples.length - 1)] ?? second;
      if (!interpolated) return one.offset;
      return one.offset + ((time - one.time) * (two.offset - one.offset)) / (two.time - one.time);
    };
  });
}
