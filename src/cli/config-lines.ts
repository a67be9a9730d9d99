/**
 * The lines of a file of `record --config`, which its parsers do not tell: found by reading more and less of its lines.
 */
import { messageOf } from "../base/errors.ts";

type Parse = (text: string) => unknown;

/** The first line with which the text has this fault: more lines have it too. */
export function lineOfFault(text: string, parse: Parse, fault: unknown): number {
  const lines = text.split("\n");
  return firstOf(lines.length, (count) => {
    try {
      parse(`${firstLines(lines, count)}\n`);
      return false;
    } catch (error) {
      return messageOf(error) === messageOf(fault);
    }
  });
}

/**
 * Where a key stands in a text without faults ("machines.vm1.event.0.filter"), or the key above it that is there; undefined where none
 * is.
 */
export function lineOfKey(text: string, parse: Parse, key: string): number | undefined {
  const lines = text.split("\n");
  /** The most lines, of so many, that are whole, and what they say. */
  const whole = (count: number): { count: number; value: unknown } => {
    for (let of = count; of > 0; of--) {
      const value = partOf(firstLines(lines, of), parse);
      if (value !== undefined) return { count: of, value };
    }
    return { count: 0, value: undefined };
  };
  const depth = depthOf(parse(text), key);
  if (depth === 0) return undefined;
  const count = firstOf(lines.length, (of) => depthOf(whole(of).value, key) === depth);
  // A value of several lines begins where what is before it ends.
  return whole(count - 1).count + 1;
}

function firstLines(lines: readonly string[], count: number): string {
  return lines.slice(0, count).join("\n");
}

/** The least of 1 to `last` for which this holds, as it does for all above it; `last` where it holds for none. */
function firstOf(last: number, holds: (count: number) => boolean): number {
  let [from, to] = [1, last];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (holds(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** A text that may end within a list or an object. */
function partOf(text: string, parse: Parse): unknown {
  for (const end of ["\n", "\n]", ...endsOfJson(text)]) {
    try {
      return parse(end.startsWith("\n") ? text + end : `${text.replace(/,\s*$/, "")}${end}`);
    } catch {
      // The next one.
    }
  }
  return undefined;
}

/** What closes all that is open in JSON. */
function endsOfJson(text: string): string[] {
  if (!text.trimStart().startsWith("{")) return [];
  let open = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === "{" || token === "[") open = (token === "{" ? "}" : "]") + open;
    else if (token === "}" || token === "]") open = open.slice(1);
  }
  return [open];
}

/** How many chars of the key name something that is there. Names may have dots in them. */
function depthOf(value: unknown, key: string): number {
  if (typeof value !== "object" || value === null) return 0;
  const depths = Object.entries(value).map(([name, inner]) => {
    if (key === name) return name.length;
    return key.startsWith(`${name}.`) ? name.length + 1 + depthOf(inner, key.slice(name.length + 1)) : 0;
  });
  return Math.max(0, ...depths);
}
