/**
 * The trace clocks that kernels have (kernel/trace/trace.c, trace_clocks), and what their time stamps count.
 *
 * `nanoseconds`: the kernel's own flag (in_ns). `seconds`: shown as seconds with six decimals, as trace-cmd does;
 * it takes uptime for nanoseconds and shows boot as a bare number.
 */
const traceClocks = [
  { name: "local", nanoseconds: true, seconds: true },
  { name: "global", nanoseconds: true, seconds: true },
  { name: "counter", nanoseconds: false, seconds: false },
  { name: "uptime", nanoseconds: false, seconds: true },
  { name: "perf", nanoseconds: true, seconds: true },
  { name: "mono", nanoseconds: true, seconds: true },
  { name: "mono_raw", nanoseconds: true, seconds: true },
  { name: "boot", nanoseconds: true, seconds: false },
  { name: "tai", nanoseconds: true, seconds: true },
  /** Ticks of the processor: x86, powerpc, s390. */
  { name: "x86-tsc", nanoseconds: false, seconds: false },
  { name: "ppc-tb", nanoseconds: false, seconds: false },
  { name: "s390-tod", nanoseconds: false, seconds: false },
] as const satisfies readonly { name: string; nanoseconds: boolean; seconds: boolean }[];

export const traceClockNames: readonly string[] = traceClocks.map(({ name }) => name);

/** The current clock, from the text of trace_clock: the name in brackets. Undefined if there is none. */
export function clockIn(traceClock: string | undefined): string | undefined {
  return /\[([\w-]{1,32})\]/.exec(traceClock ?? "")?.[1];
}

/** The same, or the kernel's default if unknown. */
export function clockOf({ traceClock }: { traceClock?: string | undefined }): string {
  return clockIn(traceClock) ?? "local";
}

/**
 * Whether the clock's time stamps are nanoseconds, so that durations and rates are known. False for an unknown
 * clock.
 */
export function countsNanoseconds(clock: string): boolean {
  return traceClocks.some(({ name, nanoseconds }) => name === clock && nanoseconds);
}

/** Whether the clock steps where somebody sets the time of day (`date -s`). */
export function isTimeOfDay(clock: string): boolean {
  return clock === "tai";
}

/** Whether time stamps of the clock are shown as seconds; else as the number that they are. */
export function shownInSeconds(clock: string): boolean {
  return traceClocks.some(({ name, seconds }) => name === clock && seconds);
}
