/**
 * A machine's stamps -> the times that are shown. In trace-cmd's order: TIME_SHIFT, in the stamps' own unit; then
 * TSC2NSEC, ticks to ns; then OFFSET and DATE. Unlike trace-cmd's, no step overflows: interpolation over an hour is
 * exact.
 */
import type { TimeSample, TraceMetadata } from "../events/trace-metadata.ts";
import { clockOf, countsNanoseconds, shownInSeconds } from "../tracefs/trace-clocks.ts";

type TimeRules = Pick<TraceMetadata, "traceClock" | "timeShift" | "ticks" | "timeOffset">;

/** Both the stamp and the result are relative, each to its own epoch; whole numbers. */
export type StampConverter = (stamp: number) => number;

export class MachineClock {
  /** The time that converted stamps are relative to. */
  readonly epoch: bigint;
  readonly #rules: TimeRules;
  readonly #first: bigint;

  /** `first`: the stamp that the stamps to convert are relative to. */
  constructor(rules: TimeRules, first: bigint) {
    this.#rules = rules;
    this.#first = first;
    this.epoch = this.exactly(0, first);
  }

  /** Times are shown as seconds. */
  get inSeconds(): boolean {
    return this.#rules.ticks !== undefined || shownInSeconds(clockOf(this.#rules));
  }

  get inNanoseconds(): boolean {
    return this.#rules.ticks !== undefined || countsNanoseconds(clockOf(this.#rules));
  }

  /** The time of an absolute stamp. */
  exactly(cpu: number, stamp: bigint): bigint {
    const { ticks, timeOffset = 0n } = this.#rules;
    const shifted = this.#shift(cpu, stamp);
    if (ticks === undefined) return shifted + timeOffset;
    return ((shifted * BigInt(ticks.multiplier)) >> BigInt(ticks.shift)) + timeOffset;
  }

  /** Undefined where relative stamps need no conversion. */
  converter(cpu: number): StampConverter | undefined {
    const { ticks } = this.#rules;
    const samples = this.#samples(cpu);
    if (samples.length === 0 && ticks === undefined) {
      const difference = Number(this.exactly(cpu, this.#first) - this.epoch);
      return difference === 0 ? undefined : (stamp) => stamp + difference;
    }
    const slowly: StampConverter = (stamp) => Number(this.exactly(cpu, this.#first + BigInt(stamp)) - this.epoch);
    if (samples.some(({ scaling, fractionBits }) => scaling !== 1n || fractionBits !== 0n)) return slowly;
    const origin = this.#shift(0, this.#first);
    const shift = this.#relativeShift(samples, origin);
    if (ticks === undefined) return shift;
    // Larger than trace-cmd's s32 allows.
    if (ticks.multiplier >= 2 ** 31) return slowly;
    const toNanoseconds = tickConverter(origin, ticks.multiplier, ticks.shift);
    return (stamp) => toNanoseconds(shift(stamp)) ?? slowly(stamp);
  }

  #samples(cpu: number): readonly TimeSample[] {
    return this.#rules.timeShift?.samples[cpu] ?? [];
  }

  #shift(cpu: number, stamp: bigint): bigint {
    const samples = this.#samples(cpu);
    const [first, second] = samples;
    if (first === undefined) return stamp;
    // Scaling needs at least two samples.
    if (second === undefined) return stamp + first.offset;
    const index = pieceOf(samples, (time) => time <= stamp);
    const [sample = first, next = second] = samples.slice(index, index + 2);
    const scaled = (stamp * sample.scaling) >> sample.fractionBits;
    if (this.#rules.timeShift?.interpolated !== true) return scaled + sample.offset;
    const span = next.time - sample.time;
    const grown = ((stamp - sample.time) * (next.offset - sample.offset) + span / 2n) / span;
    return scaled + sample.offset + grown;
  }

  /** From stamps relative to the first to shifted ones relative to `origin`; without scaling. */
  #relativeShift(samples: readonly TimeSample[], origin: bigint): StampConverter {
    const offsets = samples.map(({ offset }) => Number(this.#first + offset - origin));
    const [only = Number(this.#first - origin)] = offsets;
    if (samples.length < 2) return (stamp) => stamp + only;
    const times = samples.map(({ time }) => Number(time - this.#first));
    const relative = times.map((time, index) => ({ time, offset: offsets[index] ?? 0 }));
    const interpolated = this.#rules.timeShift?.interpolated === true;
    return (stamp) => {
      const index = pieceOf(relative, (time) => time <= stamp);
      const time = times[index] ?? 0;
      const offset = offsets[index] ?? 0;
      if (!interpolated) return stamp + offset;
      const span = (times[index + 1] ?? 0) - time;
      const grown = (stamp - time) * ((offsets[index + 1] ?? 0) - offset) + Math.trunc(span / 2);
      return stamp + offset + Math.trunc(grown / span);
    };
  }
}

/** At most the last but one: outside the samples the outer two are extrapolated. */
function pieceOf<Time>(samples: readonly { time: Time }[], isPast: (time: Time) => boolean): number {
  let [low, high] = [0, samples.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const sample = samples[middle];
    if (sample !== undefined && isPast(sample.time)) low = middle;
    else high = middle - 1;
  }
  return low;
}

const two21 = 2 ** 21;

/**
 * ((origin + stamp) * multiplier) >> shift, less the same of the origin: in doubles, each step exact since the multiplier
 * has 31 bits and both halves of the stamp 21. Undefined for stamps that are further off: half an hour at 2 GHz.
 */
function tickConverter(origin: bigint, multiplier: number, shift: number): (stamp: number) => number | undefined {
  const rest = Number(BigInt.asUintN(shift, origin * BigInt(multiplier)));
  const divisor = 2 ** shift;
  const upperDivisor = 2 ** Math.max(0, shift - 21);
  const upperFactor = 2 ** Math.max(0, 21 - shift);
  return (stamp) => {
    const upper = Math.floor(stamp / two21);
    if (upper >= two21 || upper < -two21) return undefined;
    const lower = (stamp - upper * two21) * multiplier + rest;
    const product = upper * multiplier;
    const whole = Math.floor(product / upperDivisor);
    const left = (product - whole * upperDivisor) * two21;
    return whole * upperFactor + Math.floor((left + lower) / divisor);
  };
}
