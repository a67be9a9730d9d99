/** A closed range of offsets or times, in ns. Empty where `low` is above `high`. */
export type Interval = { readonly low: number; readonly high: number };

export function intersection(a: Interval, b: Interval): Interval {
  return { low: Math.max(a.low, b.low), high: Math.min(a.high, b.high) };
}

export function hull(a: Interval, b: Interval): Interval {
  return { low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) };
}

export function isEmpty({ low, high }: Interval): boolean {
  return low > high;
}

export function middle({ low, high }: Interval): number {
  return low + (high - low) / 2;
}

/** How far the truth may lie from the middle. */
export function halfWidth({ low, high }: Interval): number {
  return (high - low) / 2;
}

export function widened({ low, high }: Interval, by: number): Interval {
  return { low: low - by, high: high + by };
}
