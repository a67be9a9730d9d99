/**
 * Digits of numbers two at a time, as 16 bits of which the lower eight are the first char: written together they are half as many
 * writes, and decimal ones half as many divisions.
 */

/** Of 0 to 99. */
export const decimalPairs = pairsOf(10, 0);

/** Of 0 to 255. */
export const hexPairs = pairsOf(16, 0x57);
export const upperHexPairs = pairsOf(16, 0x37);

/** `letters`: what is added to a digit of 10 or more. */
function pairsOf(base: number, letters: number): Uint16Array {
  const pairs = new Uint16Array(base * base);
  for (let value = 0; value < pairs.length; value++) {
    const upper = Math.floor(value / base);
    const lower = value % base;
    pairs[value] = (upper + (upper < 10 ? 0x30 : letters)) | ((lower + (lower < 10 ? 0x30 : letters)) << 8);
  }
  return pairs;
}

/** Of 32 bits the upper four hex digits as a word, and the lower four. */
export function upperHexWord(pairs: Uint16Array, value: number): number {
  return (pairs[value >>> 24] ?? 0) | ((pairs[(value >>> 16) & 0xff] ?? 0) << 16);
}

export function lowerHexWord(pairs: Uint16Array, value: number): number {
  return (pairs[(value >>> 8) & 0xff] ?? 0) | ((pairs[value & 0xff] ?? 0) << 16);
}

/** Of a u64 in two halves the octal digit from a bit on, which is a multiple of 3; that of bit 30 lies in both. */
export function octalDigit(high: number, low: number, bit: number): number {
  return (bit > 30 ? high >>> (bit - 32) : bit === 30 ? (low >>> 30) | (high << 2) : low >>> bit) & 7;
}

/** Four decimal digits as a word. */
export function decimalWord(value: number): number {
  const upper = hundreds(value);
  return (decimalPairs[upper] ?? 0) | ((decimalPairs[value - upper * 100] ?? 0) << 16);
}

/**
 * How often 10,000 is in 0 to 2^31 - 1. The half makes up for what the factor is not exactly; a division takes several times as long.
 */
export function tenThousands(value: number): number {
  return ((value + 0.5) * 1e-4) | 0;
}

export function thousands(value: number): number {
  return ((value + 0.5) * 1e-3) | 0;
}

/** How often 100 is in 0 to 9999. */
export function hundreds(value: number): number {
  return (value * 5243) >>> 19;
}
