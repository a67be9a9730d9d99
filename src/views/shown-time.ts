/** A time as the lines of events show it: in seconds, rounded to microseconds, or as the clock's number. */
export function shownTime(time: bigint, inSeconds: boolean): string {
  if (!inSeconds) return String(time);
  const rounded = time + 500n;
  // Rounded down, also below 0.
  const microseconds = rounded / 1000n - (rounded % 1000n < 0n ? 1n : 0n);
  const absolute = microseconds < 0n ? -microseconds : microseconds;
  return `${microseconds < 0n ? "-" : ""}${absolute / 1_000_000n}.${String(absolute % 1_000_000n).padStart(6, "0")}`;
}
