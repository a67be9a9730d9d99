/**
 * Columns of integers: narrow ones are held as 32 bits, wide ones as two halves, times and durations as doubles, which are exact
 * since they are relative. In a file all have 64 bits, but for the kind int32.
 */
import { numberDictionary } from "./number-dictionary.ts";
import { Column } from "./column.ts";
import { resized } from "./resized.ts";
import type { Kind, Scratch, Values } from "./values.ts";

const two32 = 2 ** 32;

/** Integers of at most 32 bits; `unsigned`: they are not extended by their sign. */
export class NarrowColumn extends Column {
  values = new Int32Array(0);
  readonly #unsigned: boolean;

  constructor(name: string, kind: Kind, unsigned = false) {
    super(name, kind);
    this.#unsigned = unsigned;
  }

  protected override get heldBytes(): number {
    return this.values.byteLength;
  }

  protected override resizeTo(capacity: number): void {
    this.values = resized(this.values, new Int32Array(capacity));
  }

  encode(rows: number, scratch: Scratch): Values {
    const present = this.presentOf(rows);
    const { values } = this;
    if (present === undefined) return this.#encode(values, rows, undefined, scratch);
    const low = scratch.ints(0, rows);
    let count = 0;
    for (let row = 0; row < rows; row++) if (present[row] !== 0) low[count++] = values[row] ?? 0;
    return this.#encode(low, count, present, scratch);
  }

  /** The high halves follow from the low ones, which are all that is to be compared. */
  #encode(low: Int32Array, count: number, present: Uint8Array | undefined, scratch: Scratch): Values {
    const dictionary = numberDictionary(low, undefined, count, scratch);
    const [lows, size] = dictionary === undefined ? [low, count] : [dictionary.low, dictionary.size];
    let high: Int32Array | undefined;
    if (this.kind !== "int32") {
      high = scratch.ints(1, size);
      if (this.#unsigned) high.fill(0, 0, size);
      else for (let index = 0; index < size; index++) high[index] = (lows[index] ?? 0) >> 31;
    }
    return encodePlain({ low: lows, high, size }, { count, present, places: dictionary?.places }, this.kind, scratch);
  }
}

/** Integers of 64 bits: by row the low half, then the high one. */
export class WideColumn extends Column {
  values = new Int32Array(0);

  protected override get heldBytes(): number {
    return this.values.byteLength;
  }

  protected override resizeTo(capacity: number): void {
    this.values = resized(this.values, new Int32Array(capacity * 2));
  }

  encode(rows: number, scratch: Scratch): Values {
    const present = this.presentOf(rows);
    const low = scratch.ints(0, rows);
    const high = scratch.ints(1, rows);
    const { values } = this;
    let count = 0;
    for (let row = 0; row < rows; row++) {
      if (present !== undefined && present[row] === 0) continue;
      low[count] = values[row * 2] ?? 0;
      high[count] = values[row * 2 + 1] ?? 0;
      count++;
    }
    return encodeHalves(low, high, count, present, this.kind, scratch);
  }
}

/** Times and durations as whole doubles; NaN is null. `epoch` is added in the file. */
export class TimeColumn extends Column {
  values = new Float64Array(0);
  readonly epoch: bigint;

  constructor(name: string, epoch = 0n) {
    super(name, "int");
    this.epoch = epoch;
  }

  protected override get heldBytes(): number {
    return this.values.byteLength;
  }

  protected override resizeTo(capacity: number): void {
    this.values = resized(this.values, new Float64Array(capacity));
  }

  encode(rows: number, scratch: Scratch): Values {
    return encodeTimes(this.values, rows, this.epoch, this.kind, scratch);
  }
}

/** The times of another column with another epoch; all are null without one. */
export class SameTimeColumn extends Column {
  readonly #of: TimeColumn;
  readonly #epoch: bigint | undefined;

  constructor(name: string, of: TimeColumn, epoch: bigint | undefined) {
    super(name, "int");
    this.#of = of;
    this.#epoch = epoch;
  }

  protected override get heldBytes(): number {
    return 0;
  }

  protected override resizeTo(): void {}

  encode(rows: number, scratch: Scratch): Values {
    if (this.#epoch !== undefined) return encodeTimes(this.#of.values, rows, this.#epoch, this.kind, scratch);
    const none = { plain: new Uint8Array(0), places: undefined, least: undefined, greatest: undefined };
    return { count: 0, present: new Uint8Array(rows), ...none };
  }
}

function encodeTimes(times: Float64Array, rows: number, epoch: bigint, kind: Kind, scratch: Scratch): Values {
  const low = scratch.ints(0, rows);
  const high = scratch.ints(1, rows);
  const base = BigInt.asUintN(64, epoch);
  const baseLow = Number(base & 0xffff_ffffn);
  const baseHigh = Number(base >> 32n);
  let present: Uint8Array | undefined;
  let count = 0;
  for (let row = 0; row < rows; row++) {
    const time = times[row] ?? 0;
    if (time !== time) {
      present ??= new Uint8Array(rows).fill(1);
      present[row] = 0;
      continue;
    }
    const upper = Math.floor(time / two32);
    const lower = baseLow + (time - upper * two32);
    const carry = lower >= two32 ? 1 : 0;
    low[count] = lower;
    high[count] = baseHigh + upper + carry;
    count++;
  }
  return encodeHalves(low, high, count, present, kind, scratch);
}

function encodeHalves(
  low: Int32Array,
  high: Int32Array,
  count: number,
  present: Uint8Array | undefined,
  kind: Kind,
  scratch: Scratch,
): Values {
  const dictionary = numberDictionary(low, high, count, scratch);
  return encodePlain(
    dictionary ?? { low, high, size: count },
    { count, present, places: dictionary?.places },
    kind,
    scratch,
  );
}

/** `places`: by value its place, where the numbers are a dictionary. */
function encodePlain(
  { low, high, size }: { low: Int32Array; high: Int32Array | undefined; size: number },
  { count, present, places }: { count: number; present: Uint8Array | undefined; places: Int32Array | undefined },
  kind: Kind,
  scratch: Scratch,
): Values {
  const [least, greatest] = extremes(low, high, size, kind === "uint");
  const width = high === undefined ? 4 : 8;
  const plain = scratch.bytes(size * width).subarray(0, size * width);
  writeHalves(plain, low, high, size);
  const one = (index: number): Uint8Array | undefined =>
    size === 0 ? undefined : plain.slice(index * width, (index + 1) * width);
  return {
    count,
    present,
    plain,
    places: places === undefined ? undefined : { at: places, size },
    least: one(least),
    greatest: one(greatest),
  };
}

function writeHalves(out: Uint8Array, low: Int32Array, high: Int32Array | undefined, count: number): void {
  const ints = new Int32Array(out.buffer, out.byteOffset, out.length / 4);
  if (high === undefined) {
    ints.set(low.subarray(0, count));
    return;
  }
  for (let index = 0; index < count; index++) {
    ints[index * 2] = low[index] ?? 0;
    ints[index * 2 + 1] = high[index] ?? 0;
  }
}

/** Where the least and the greatest are. */
function extremes(
  low: Int32Array,
  high: Int32Array | undefined,
  count: number,
  isUnsigned: boolean,
): [least: number, greatest: number] {
  let [least, greatest] = [0, 0];
  // With the sign's bit turned, numbers without a sign are in the order of those with one.
  const upper = high ?? low;
  const flip = isUnsigned ? 0x8000_0000 : 0;
  let [leastHigh, greatestHigh] = [(upper[0] ?? 0) ^ flip, (upper[0] ?? 0) ^ flip];
  let [leastLow, greatestLow] = [(low[0] ?? 0) >>> 0, (low[0] ?? 0) >>> 0];
  for (let index = 1; index < count; index++) {
    const above = (upper[index] ?? 0) ^ flip;
    if (above > leastHigh && above < greatestHigh) continue;
    const below = (low[index] ?? 0) >>> 0;
    if (above < leastHigh || (above === leastHigh && below < leastLow)) {
      least = index;
      leastHigh = above;
      leastLow = below;
    }
    if (above > greatestHigh || (above === greatestHigh && below > greatestLow)) {
      greatest = index;
      greatestHigh = above;
      greatestLow = below;
    }
  }
  return [least, greatest];
}
