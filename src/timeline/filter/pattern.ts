/**
 * Basic regular expressions (POSIX, as regcomp(3) reads them without REG_EXTENDED and with GNU's \+ \? \|) as JavaScript's: letter case
 * does not matter, and a match may lie anywhere, as with trace-cmd's =~.
 */
import { timelineLimits } from "../limits.ts";

/** Undefined for what is no expression, or could take time without bound. */
export function basicPattern(source: string): RegExp | undefined {
  if (source.length > timelineLimits.filterPatternChars) return undefined;
  let out = "";
  let repeats = 0;
  /** Of each open group, whether it holds a repetition or a choice; of the last closed one too. */
  const groups: boolean[] = [];
  let closed = false;
  /** What stands before can be repeated. */
  let item = false;
  for (let at = 0; at < source.length; at++) {
    let part = source.charAt(at);
    if (part === "\\") part += source.charAt(++at);
    const repeat = item ? (repetitions[part] ?? boundsAt(source, at, part)) : undefined;
    if (repeat !== undefined) {
      // Repetitions in each other, or of a choice, can take exponential time.
      if (closed || ++repeats > timelineLimits.filterRepetitions) return undefined;
      if (part === "\\{") at = source.indexOf("\\}", at) + 1;
      groups.fill(true);
      out += repeat;
      item = false;
      continue;
    }
    const wasStart = out === "" || out.endsWith("(") || out.endsWith("|");
    closed = false;
    item = true;
    if (part === "\\(") {
      groups.push(false);
      out += "(?:";
      item = false;
    } else if (part === "\\)") {
      const inner = groups.pop();
      if (inner === undefined) return undefined;
      closed = inner;
      out += ")";
    } else if (part === "\\|") {
      groups.fill(true);
      out += "|";
      item = false;
    } else if (part === "^" && wasStart) {
      out += part;
      item = false;
    } else if (part === "$" && (at === source.length - 1 || /^\\[)|]/.test(source.slice(at + 1)))) {
      out += part;
      item = false;
    } else if (part === ".") out += "[^]";
    else if (part === "[") {
      const set = setAt(source, at);
      if (set === undefined) return undefined;
      out += set.pattern;
      at = set.end;
    } else if (/^\\[\w{}<>`']?$/.test(part)) return undefined;
    else out += escaped(part.length === 2 ? part.charAt(1) : part);
  }
  if (groups.length > 0) return undefined;
  try {
    return new RegExp(out, "i");
  } catch {
    return undefined;
  }
}

const repetitions: Record<string, string> = { "*": "*", "\\+": "+", "\\?": "?" };

/** `\{2,5\}` */
function boundsAt(source: string, at: number, part: string): string | undefined {
  if (part !== "\\{") return undefined;
  const [, bounds] = /^\{(\d{1,2}(?:,\d{0,2})?)\\\}/.exec(source.slice(at)) ?? [];
  return bounds === undefined ? undefined : `{${bounds}}`;
}

const classes: Record<string, string> = {
  alpha: "a-zA-Z",
  digit: "0-9",
  alnum: "a-zA-Z0-9",
  upper: "A-Z",
  lower: "a-z",
  space: "\\s",
  punct: "!-\\/:-@\\[-`{-~",
  xdigit: "0-9a-fA-F",
};

/** `[^a-z]`, where "]" may come first and a backslash stands for itself. */
function setAt(source: string, start: number): { pattern: string; end: number } | undefined {
  const [whole, not = "", members = ""] = /^\[(\^?)(\]?(?:\[:[a-z]{1,10}:\]|[^\]])*)\]/.exec(source.slice(start)) ?? [];
  if (whole === undefined || members === "") return undefined;
  let known = true;
  const inside = members.replaceAll(/\[:([a-z]+):\]|[\\\]^[]/g, (part, name: string | undefined) => {
    if (name === undefined) return `\\${part}`;
    known &&= classes[name] !== undefined;
    return classes[name] ?? "";
  });
  return known ? { pattern: `[${not}${inside}]`, end: start + whole.length - 1 } : undefined;
}

function escaped(letter: string): string {
  return /[.*+?^${}()|[\]\\/]/.test(letter) ? `\\${letter}` : letter;
}
