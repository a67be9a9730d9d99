/**
 * Sorts 64-bit addresses by counting: a million in a few passes over arrays, where a comparison sort takes a
 * second.
 */

const digitBits = 16;
const digits = 2 ** digitBits;

/** `order`: indices of the addresses, which are given as halves. Returns them by address, unsigned; stable. */
export function orderByAddress(
  high: Uint32Array,
  low: Uint32Array,
  order: Uint32Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  let from = order;
  let to = new Uint32Array(order.length);
  const starts = new Uint32Array(digits + 1);
  for (let pass = 0; pass < 4; pass++) {
    if (!sortByDigit(pass < 2 ? low : high, pass % 2 === 0 ? 0 : digitBits, from, to, starts)) continue;
    const sorted = to;
    to = from;
    from = sorted;
  }
  return from;
}

/** One pass from `from` to `to`; false if all have the same digit. */
function sortByDigit(
  half: Uint32Array,
  shift: number,
  from: Uint32Array,
  to: Uint32Array,
  starts: Uint32Array,
): boolean {
  const count = from.length;
  const mask = digits - 1;
  starts.fill(0);
  for (let at = 0; at < count; at++) {
    const place = (((half[from[at] ?? 0] ?? 0) >>> shift) & mask) + 1;
    starts[place] = (starts[place] ?? 0) + 1;
  }
  if (count === 0 || starts[(((half[from[0] ?? 0] ?? 0) >>> shift) & mask) + 1] === count) return false;
  for (let digit = 1; digit <= digits; digit++) starts[digit] = (starts[digit] ?? 0) + (starts[digit - 1] ?? 0);
  for (let at = 0; at < count; at++) {
    const index = from[at] ?? 0;
    const digit = ((half[index] ?? 0) >>> shift) & mask;
    const place = starts[digit] ?? 0;
    to[place] = index;
    starts[digit] = place + 1;
  }
  return true;
}
