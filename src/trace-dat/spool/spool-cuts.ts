/**
 * Where a recording was cut while it went on: lines of JSON in its spool. A cut is told before its segment is written, and told to be
 * done when that is a whole file; only then are the pieces of streams removed that it was made of.
 */
import * as v from "valibot";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { traceDatLimits } from "../limits.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const digits = v.pipe(v.string(), v.regex(/^\d{1,20}$/));
const text = v.pipe(v.string(), v.maxLength(traceDatLimits.sessionTextChars));

const signedDigits = v.pipe(v.string(), v.regex(/^-?\d{1,20}$/));
/** By CPU. */
const times = v.pipe(v.array(v.tuple([count, digits])), v.maxLength(tracefsLimits.cpusMax));
/** A clock stepped between these times, by so many ns. */
const step = v.object({ from: signedDigits, to: signedDigits, ns: signedDigits });

/**
 * The bytes of each CPU's stream up to `to`, from those of the cut before on, are the segment `file`; `at`: the time of the cut. `bursts`: its own
 * are those of the spool from `first` on, and those from `kept` on tell of what follows. `stamps`: of the last sub-buffer. It begins with the step
 * `begun`, or `step` of the one before, which ended with it: there the events of the next sub-buffer are divided at the times `end`.
 */
const cut = v.object({
  number: count,
  file: text,
  at: v.optional(digits),
  started: text,
  to: v.pipe(v.array(v.tuple([count, count])), v.maxLength(tracefsLimits.cpusMax)),
  bursts: v.optional(v.object({ first: count, behind: count, kept: count })),
  stamps: v.optional(times),
  begun: v.optional(step),
  step: v.optional(v.object({ ...step.entries, end: times })),
});
const done = v.object({ done: count });

export type SpoolCut = Readonly<v.InferOutput<typeof cut>>;
export type SpoolCutDone = Readonly<v.InferOutput<typeof done>>;

/**
 * `written`: up to where each CPU's stream is in segments, and what the last of them tells of the next one; `left`: cuts whose segment is
 * not told to be written, in order.
 */
export type SpoolCuts = {
  written: Map<number, number>;
  passed: Pick<SpoolCut, "step" | "bursts" | "stamps">;
  left: SpoolCut[];
};

export function cutLine(one: SpoolCut | SpoolCutDone): string {
  return `${JSON.stringify(one)}\n`;
}

/** Lines that are none are passed over: the last may be cut short. */
export function readCutLines(lines: string): SpoolCuts {
  const written = new Map<number, number>();
  let left: SpoolCut[] = [];
  let passed: SpoolCuts["passed"] = {};
  for (const line of lines.split("\n")) {
    const value = objectIn(line);
    const made = v.safeParse(cut, value);
    if (made.success) left.push(made.output);
    const ended = v.safeParse(done, value);
    if (!ended.success) continue;
    const { done: number } = ended.output;
    for (const one of left.filter((cut) => cut.number <= number)) {
      for (const [cpu, position] of one.to) written.set(cpu, Math.max(position, written.get(cpu) ?? 0));
      const { step, bursts, stamps } = one;
      passed = { ...(step && { step }), ...(bursts && { bursts }), ...(stamps && { stamps }) };
    }
    left = left.filter((one) => one.number > number);
  }
  return { written, passed, left };
}

/** Lines that tell the same as all that were read: of what is written, only up to where counts. */
export function shortCutLines({ written, passed, left }: SpoolCuts, { done: number }: SpoolCutDone): string {
  const last: SpoolCut = { number, file: "", started: "", to: [...written], ...passed };
  return [last, { done: number }, ...left].map(cutLine).join("");
}

/** Nesting, and values: three for each CPU of where it ends, as many of its time stamp, and as many where a clock stepped. */
const lineBounds = { depthMax: 5, valuesMax: 12 * tracefsLimits.cpusMax };

function objectIn(line: string): unknown {
  try {
    return parseBoundedJson(line, lineBounds);
  } catch {
    return undefined;
  }
}
