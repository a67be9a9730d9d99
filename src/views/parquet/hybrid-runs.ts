/**
 * Parquet's RLE / bit-packing hybrid (Encodings.md of the format): definition levels and numbers of dictionary entries. A value
 * that repeats becomes a run; others are packed in groups of eight.
 */

/** Shorter runs are packed: a run costs a header of its own. */
const leastRun = 16;

/** Bytes that `count` values take at most. */
export function hybridBytesMax(count: number, width: number): number {
  return Math.ceil(count / 8) * width + 10 * (Math.ceil(count / leastRun) + 2);
}

/** Bits that a value below `count` needs. */
export function bitWidth(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

/** Writes `count` values of `width` bits, at most 24, at `at`; returns the end. */
export function writeHybrid(
  out: Uint8Array,
  at: number,
  values: Int32Array | Uint8Array,
  count: number,
  width: number,
): number {
  let to = at;
  let packedFrom = 0;
  let index = 0;
  while (index < count) {
    const value = values[index] ?? 0;
    let end = index + 1;
    while (end < count && values[end] === value) end++;
    if (end - index < leastRun) {
      // A group of eight, of which the last may be cut.
      index = Math.min(index + 8, count);
      continue;
    }
    to = writePacked(out, to, values, packedFrom, index, width);
    to = writeRun(out, to, value, end - index, width);
    index = end;
    packedFrom = end;
  }
  return writePacked(out, to, values, packedFrom, count, width);
}

/** The same value so many times. */
export function writeRun(out: Uint8Array, at: number, value: number, count: number, width: number): number {
  let to = writeVarint(out, at, count * 2);
  for (let shift = 0; shift < width; shift += 8) out[to++] = (value >>> shift) & 0xff;
  return to;
}

function writePacked(
  out: Uint8Array,
  at: number,
  values: Int32Array | Uint8Array,
  from: number,
  end: number,
  width: number,
): number {
  if (end <= from) return at;
  const groups = Math.ceil((end - from) / 8);
  let to = writeVarint(out, at, groups * 2 + 1);
  let held = 0;
  let bits = 0;
  for (let index = from; index < end; index++) {
    held |= (values[index] ?? 0) << bits;
    bits += width;
    while (bits >= 8) {
      out[to++] = held & 0xff;
      held >>>= 8;
      bits -= 8;
    }
  }
  if (bits > 0) out[to++] = held & 0xff;
  const full = at + varintBytes(groups * 2 + 1) + groups * width;
  while (to < full) out[to++] = 0;
  return to;
}

function varintBytes(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest !== 0; rest >>>= 7) size++;
  return size;
}

function writeVarint(out: Uint8Array, at: number, value: number): number {
  let to = at;
  let rest = value;
  while (rest > 0x7f) {
    out[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[to++] = rest;
  return to;
}
