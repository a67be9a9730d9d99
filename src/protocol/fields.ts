/** The kinds of values in replies. Each checks, bounds and cleans what a guest sent, once. */
import * as v from "valibot";
import { foreignAscii } from "../base/foreign-text.ts";
import { tracefsLimits } from "../tracefs/limits.ts";
import { protocolLimits } from "./limits.ts";

/** All numbers of a reply are counts: whole, exact and not negative. */
export const count = (most = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(most));

const cpuNumber = count(tracefsLimits.cpusMax - 1);

/** Text of at most this many chars, made safe for a terminal. */
export const longText = (charsMax: number) =>
  v.pipe(
    v.string(),
    v.maxLength(charsMax),
    v.transform((text) => foreignAscii(text)),
  );

/** Text that is shown to a person: longer text is cut. */
export const text = v.pipe(
  longText(protocolLimits.orderLineBytes),
  v.transform((long) => long.slice(0, protocolLimits.guestTextChars)),
);

/** An unknown state, of a newer agent, becomes "other (WORD)": it must not invalidate the reply. */
export const stateWord = <const T extends string>(known: readonly T[]) =>
  v.pipe(
    text,
    v.transform((word): T | `other (${string})` => known.find((state) => state === word) ?? `other (${word})`),
  );

/** One entry per CPU, each CPU at most once. */
export const perCpu = <const T extends v.ObjectEntries>(entries: T) =>
  v.pipe(
    v.array(v.object({ cpu: cpuNumber, ...entries })),
    v.maxLength(tracefsLimits.cpusMax),
    v.check((items) => new Set(items.map(cpuOf)).size === items.length),
  );

function cpuOf(item: unknown): unknown {
  return typeof item === "object" && item !== null && "cpu" in item ? item.cpu : undefined;
}
