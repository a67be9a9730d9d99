/** Dictionaries of integers of 32 bits, or of pairs of halves: most columns of events have few different values. */
import { parquetLimits } from "./limits.ts";
import type { Scratch } from "./values.ts";

/** By value its place, and by place its halves; undefined where too many values differ for a dictionary to be worth it. */
export type NumberDictionary = { places: Int32Array; low: Int32Array; high: Int32Array; size: number };

/** Arrays of the scratch: 0 and 1 are the caller's. */
const [placesArray, lowArray, highArray, slotsArray] = [2, 3, 4, 5];

export function numberDictionary(
  low: Int32Array,
  high: Int32Array | undefined,
  count: number,
  scratch: Scratch,
): NumberDictionary | undefined {
  const { dictionaryNumbers, dictionarySample } = parquetLimits;
  const slotCount = dictionaryNumbers * 2;
  const slots = scratch.ints(slotsArray, slotCount);
  slots.fill(0, 0, slotCount);
  const places = scratch.ints(placesArray, count);
  const lows = scratch.ints(lowArray, dictionaryNumbers);
  const highs = scratch.ints(highArray, dictionaryNumbers);
  let size = 0;
  let place = -1;
  for (let index = 0; index < count; index++) {
    const lower = low[index] ?? 0;
    const upper = high === undefined ? 0 : (high[index] ?? 0);
    // Many columns have the same number in row after row.
    if (place < 0 || lows[place] !== lower || highs[place] !== upper) {
      let hash = Math.imul(lower ^ Math.imul(upper, 0x9e3779b1), 0x85ebca6b);
      hash ^= hash >>> 15;
      let slot = hash & (slotCount - 1);
      place = (slots[slot] ?? 0) - 1;
      while (place >= 0 && (lows[place] !== lower || highs[place] !== upper)) {
        slot = (slot + 1) & (slotCount - 1);
        place = (slots[slot] ?? 0) - 1;
      }
      if (place < 0) {
        if (size >= dictionaryNumbers) return undefined;
        place = size++;
        slots[slot] = size;
        lows[place] = lower;
        highs[place] = upper;
      }
    }
    places[index] = place;
    if (index === dictionarySample && size > dictionarySample / 2) return undefined;
  }
  return { places, low: lows, high: highs, size };
}
