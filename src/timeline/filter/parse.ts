/**
 * Filters as `trace-cmd report -F` takes them: "EVENT,EVENT: EXPRESSION" -> which events, and a tree of comparisons.
 *
 *     expression = term { ("&&" | "||") term }
 *     term       = "!" term | "(" expression ")" | FIELD comparison VALUE | FIELD "&" NUMBER
 *
 * trace-cmd gives && and || the same rank, C and the kernel's own filters do not: where that matters, parentheses are asked for.
 */
import { timelineLimits } from "../limits.ts";
import { basicPattern } from "./pattern.ts";
import { filterError, readTokens, type Token } from "./tokens.ts";

export type Comparison = "==" | "!=" | "<" | ">" | "<=" | ">=" | "=~" | "!~" | "~" | "&";

export type FilterNode =
  | { readonly kind: "and" | "or"; readonly left: FilterNode; readonly right: FilterNode }
  | { readonly kind: "not"; readonly of: FilterNode }
  | { readonly kind: "compare"; readonly field: string; readonly by: Comparison; readonly value: FilterValue };

export type FilterValue =
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "field"; readonly name: string };

export type Filter = {
  /** As it was given, for errors. */
  readonly text: string;
  /** Names with * and ?, each with a system or without. */
  readonly events: readonly { readonly system: string | undefined; readonly name: string }[];
  /** Without one all of these events match. */
  readonly expression: FilterNode | undefined;
};

export function parseFilter(text: string): Filter {
  if (text.length > timelineLimits.filterChars)
    throw filterError(`${text.slice(0, 40)}...`, `it has more than ${timelineLimits.filterChars} characters`);
  const colon = lastColon(text);
  const rest = text.slice(colon + 1);
  // "sched:sched_switch": the colon stands between a system and its event.
  const namesOnly = colon < 0 || /^\s*[\w*?.-]+\s*$/.test(rest);
  const events = (namesOnly ? text : text.slice(0, colon)).split(",").map((name) => readEvent(name, text));
  return { text, events, expression: namesOnly ? undefined : new FilterParser(text, rest).parse() };
}

/** Outside of quotes. */
function lastColon(text: string): number {
  let quote = "";
  let found = -1;
  for (let at = 0; at < text.length; at++) {
    const letter = text.charAt(at);
    if (quote !== "") quote = letter === quote ? "" : quote;
    else if (letter === '"' || letter === "'") quote = letter;
    else if (letter === ":") found = at;
  }
  return found;
}

function readEvent(word: string, filter: string): Filter["events"][number] {
  const [, first, second] = /^\s*([\w*?.-]+)\s*(?:[:/]\s*([\w*?.-]+)\s*)?$/.exec(word) ?? [];
  if (first === undefined) throw filterError(filter, `"${word.trim()}" is no event`);
  return second === undefined
    ? { system: undefined, name: globOf(first) }
    : { system: globOf(first), name: globOf(second) };
}

/** trace-cmd takes regular expressions here, of which people use ".*"; no name has a dot. */
function globOf(name: string): string {
  return name.replaceAll(".*", "*").replaceAll(".", "?");
}

class FilterParser {
  readonly #filter: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(filter: string, expression: string) {
    this.#filter = filter;
    this.#tokens = readTokens(expression, filter);
  }

  parse(): FilterNode {
    const node = this.#expression(0);
    const left = this.#tokens[this.#at];
    if (left !== undefined) throw filterError(this.#filter, `"${left.text}" is not expected there`);
    return node;
  }

  #expression(depth: number): FilterNode {
    let node = this.#term(depth);
    let hadOr = false;
    for (;;) {
      const sign = this.#tokens[this.#at];
      if (sign?.kind !== "sign" || (sign.text !== "&&" && sign.text !== "||")) return node;
      this.#at++;
      if (sign.text === "&&" && hadOr) {
        throw filterError(
          this.#filter,
          "&& after || can be read in two ways",
          "put parentheses around what comes first",
        );
      }
      hadOr ||= sign.text === "||";
      node = { kind: sign.text === "&&" ? "and" : "or", left: node, right: this.#term(depth) };
    }
  }

  #term(depth: number): FilterNode {
    if (depth > timelineLimits.filterDepth)
      throw filterError(this.#filter, `more than ${timelineLimits.filterDepth} parentheses and ! lie in each other`);
    const token = this.#next("a field");
    if (token.kind === "sign" && token.text === "!") return { kind: "not", of: this.#term(depth + 1) };
    if (token.kind === "sign" && token.text === "(") {
      const node = this.#expression(depth + 1);
      const end = this.#next('")"');
      if (end.kind !== "sign" || end.text !== ")")
        throw filterError(this.#filter, `")" is missing before "${end.text}"`);
      return node;
    }
    if (token.kind !== "name") throw filterError(this.#filter, `"${token.text}" is no field`);
    const sign = this.#next(`a comparison after "${token.text}"`);
    if (sign.kind !== "sign" || !isComparison(sign.text))
      throw filterError(this.#filter, `"${sign.text}" after "${token.text}" is no comparison`);
    return { kind: "compare", field: token.text, by: sign.text, value: this.#value(sign.text) };
  }

  #value(by: Comparison): FilterValue {
    const token = this.#next(`a value after "${by}"`);
    if (token.kind === "text" || token.kind === "number") {
      const isPattern = by === "=~" || by === "!~" || by === "~";
      if (token.kind === "number" && isPattern)
        throw filterError(this.#filter, `${by} compares with a text in quotes, not with ${token.text}`);
      if (token.kind === "text" && !isPattern && by !== "==" && by !== "!=")
        throw filterError(this.#filter, `${by} does not compare texts`, "use == != =~ !~ or ~");
      if (token.kind === "text" && isPattern && by !== "~" && basicPattern(token.text) === undefined) {
        throw filterError(
          this.#filter,
          `"${token.text}" is no regular expression that it can take`,
          `basic ones, with \\+ \\? \\| but no \\1, no repetition in another, and at most ${timelineLimits.filterRepetitions} of them`,
        );
      }
      return token.kind === "text" ? { kind: "text", text: token.text } : { kind: "number", value: token.value };
    }
    if (token.kind === "name" && /^(?:[=!]=|[<>]=?)$/.test(by)) return { kind: "field", name: token.text };
    throw filterError(this.#filter, `"${token.text}" after ${by} is no value`, "write a number, or a text in quotes");
  }

  #next(wanted: string): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw filterError(this.#filter, `it ends where ${wanted} is expected`);
    return token;
  }
}

function isComparison(text: string): text is Comparison {
  return /^(?:[=!]=|[<>]=?|=~|!~|~|&)$/.test(text);
}
