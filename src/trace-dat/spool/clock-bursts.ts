/** What round trips told of the offset between the clocks of a guest and its host, burst by burst: lines of JSON in the spool. */
import * as v from "valibot";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { traceDatLimits } from "../limits.ts";

/** Clocks that both the kernel's events and a program can read (`clock_gettime`). */
export const readableClocks = ["mono_raw", "mono", "boot"] as const;
export type ReadableClock = (typeof readableClocks)[number];

/** Host time minus guest time lies between these, ns. `low` above `high`: one of the clocks was set within the burst. */
export type OffsetRange = { readonly low: bigint; readonly high: bigint };

export type ClockBurst = {
  /** The guest's trace clock, and its time in the middle of the burst. */
  readonly clock: string;
  readonly at: bigint;
  readonly rounds: number;
  /** By the host's clock. */
  readonly offsets: Readonly<Record<ReadableClock, OffsetRange>>;
};

const ns = v.pipe(
  v.string(),
  v.regex(/^-?\d{1,19}$/),
  v.transform((digits) => BigInt(digits)),
);
const range = v.object({ low: ns, high: ns });
const burst = v.object({
  clock: v.pipe(v.string(), v.maxLength(traceDatLimits.nameChars)),
  at: ns,
  rounds: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  offsets: v.object({ mono_raw: range, mono: range, boot: range }),
});

export function burstLine(one: ClockBurst): string {
  return `${JSON.stringify(one, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value))}\n`;
}

/**
 * As they were made, of one clock; where that stepped back, their times do. Lines that are none are passed over: the last may be cut.
 */
export function readBurstLines(text: string): ClockBurst[] {
  const bursts: ClockBurst[] = [];
  for (const line of text.split("\n", traceDatLimits.clockBurstsMax)) {
    const parsed = v.safeParse(burst, objectIn(line));
    if (parsed.success && parsed.output.clock === (bursts[0]?.clock ?? parsed.output.clock)) bursts.push(parsed.output);
  }
  return bursts;
}

/** Nesting, and values: a burst's are 14. */
const lineBounds = { depthMax: 4, valuesMax: 64 };

function objectIn(line: string): unknown {
  try {
    return parseBoundedJson(line, lineBounds);
  } catch {
    return undefined;
  }
}
