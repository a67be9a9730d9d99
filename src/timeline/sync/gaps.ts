/** Times in which nothing was seen, in order; and those that several have in common. */
export type Gap = { readonly low: number; readonly high: number };

/** Both in order of time, and so long at least. */
export function inBoth(one: readonly Gap[], other: readonly Gap[], least: number): Gap[] {
  const found: Gap[] = [];
  for (let [first, second] = [0, 0]; first < one.length && second < other.length;) {
    const [a, b] = [one[first], other[second]];
    if (a === undefined || b === undefined) break;
    const [low, high] = [Math.max(a.low, b.low), Math.min(a.high, b.high)];
    if (high - low >= least) found.push({ low, high });
    if (a.high < b.high) first++;
    else second++;
  }
  return found;
}

/** From the begin of the first to the end of the last one. */
export function hullOf(gaps: readonly Gap[]): Gap | undefined {
  const [first, last] = [gaps[0], gaps.at(-1)];
  return first === undefined || last === undefined ? undefined : { low: first.low, high: last.high };
}
