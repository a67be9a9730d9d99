/** Times in JSON are whole, also above 2^53, which JSON.stringify() has no number for. */

/** Stands for a time in an object that jsonWithTimes() writes. Cleaned names have no NUL. */
export function jsonTime(time: bigint): string {
  return `\0${time}`;
}

export function jsonWithTimes(object: object): string {
  return JSON.stringify(object).replaceAll(/"\\u0000(-?\d+)"/g, "$1");
}
