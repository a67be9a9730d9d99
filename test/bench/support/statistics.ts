/** Medians, percentiles and the ratio of paired runs. */

export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.ceil(sorted.length * part), sorted.length) - 1] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2;
}

/** The median of ours / peer over runs that were made one beside the other, so that a drift of the machine cancels out. */
export function pairedRatio(ours: readonly number[], peer: readonly number[]): number {
  return median(ours.slice(0, peer.length).map((value, index) => value / (peer[index] ?? Number.NaN)));
}

/** Three significant digits, in plain notation. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value === 0) return "0";
  const digits = Math.max(2 - Math.floor(Math.log10(Math.abs(value))), 0);
  return value.toFixed(Math.min(digits, 6));
}
