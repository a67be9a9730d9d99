/**
 * Filters as `trace-cmd report -F` takes them: "EVENT,EVENT: EXPRESSION" -> which events, and a tree of comparisons.
 *
 *     expression = term { ("&&" | "||") term }
 *     term       = "!" term | "(" expression ")" | number comparison number | FIELD comparison TEXT | arithmetic
 *     number     = item | arithmetic | "(" arithmetic ")"      the last one only on the left
 *     arithmetic = item ("+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<<" | ">>") item
 *     item       = FIELD | ["-"] NUMBER
 *
 * An arithmetic alone is true where it is not 0; trace-cmd has no other. One operator needs no precedence.
 * trace-cmd gives && and || the same rank, C and the kernel's own filters do not: where that matters, parentheses are asked for.
 */
import { timelineLimits } from "../limits.ts";
import { basicPattern } from "./pattern.ts";
import { filterError, readTokens, type Token } from "./tokens.ts";

export type TextComparison = "==" | "!=" | "=~" | "!~" | "~";
export type Comparison = "==" | "!=" | "<" | ">" | "<=" | ">=";

export type FilterNode =
  | { readonly kind: "and" | "or"; readonly left: FilterNode; readonly right: FilterNode }
  | { readonly kind: "not"; readonly of: FilterNode }
  | { readonly kind: "compareText"; readonly field: string; readonly by: TextComparison; readonly text: string }
  | { readonly kind: "compare"; readonly left: FilterNumber; readonly by: Comparison; readonly right: FilterNumber }
  | Arithmetic;

export type FilterItem =
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "field"; readonly name: string };
export type Arithmetic = {
  readonly kind: "arithmetic";
  readonly operator: string;
  readonly left: FilterItem;
  readonly right: FilterItem;
};
export type FilterNumber = FilterItem | Arithmetic;

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
  // "sched_switch:next_pid-1" is a difference: no event has a "-" in its name.
  const namesOnly = colon < 0 || (/^\s*[\w*?.-]+\s*$/.test(rest) && !/\w-\w/.test(rest));
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
      return node.kind === "arithmetic" && this.#isComparison() ? this.#comparison(node, ")") : node;
    }
    this.#at--;
    const number = this.#number("a field");
    return number.kind === "arithmetic" && !this.#isComparison() ? number : this.#comparison(number, token.text);
  }

  #isComparison(): boolean {
    const sign = this.#tokens[this.#at];
    return sign?.kind === "sign" && (isComparison(sign.text) || isTextComparison(sign.text));
  }

  /** `last`: what stands before it. */
  #comparison(left: FilterNumber, last: string): FilterNode {
    const sign = this.#next(`a comparison after "${last}"`);
    const { text: by } = sign;
    if (sign.kind !== "sign" || !(isComparison(by) || isTextComparison(by)))
      throw filterError(this.#filter, `"${by}" after "${last}" is no comparison`);
    const value = this.#tokens[this.#at];
    if (value?.kind === "text") return this.#textComparison(left, by, value.text);
    const right = this.#number(`a value after "${by}"`, `after ${by} `);
    if (isComparison(by)) return { kind: "compare", left, by, right };
    throw filterError(this.#filter, `${by} compares with a text in quotes, not with ${value?.text ?? "a number"}`);
  }

  #textComparison(left: FilterNumber, by: string, text: string): FilterNode {
    this.#at++;
    if (left.kind !== "field") throw filterError(this.#filter, "only a field is compared with a text");
    if (!isTextComparison(by)) throw filterError(this.#filter, `${by} does not compare texts`, "use == != =~ !~ or ~");
    if ((by === "=~" || by === "!~") && basicPattern(text) === undefined) {
      throw filterError(
        this.#filter,
        `"${text}" is no regular expression that it can take`,
        `basic ones, with \\+ \\? \\| but no \\1, no repetition in another, and at most ${timelineLimits.filterRepetitions} of them`,
      );
    }
    return { kind: "compareText", field: left.name, by, text };
  }

  #number(wanted: string, place = ""): FilterNumber {
    const left = this.#item(wanted, place);
    const sign = this.#tokens[this.#at];
    if (sign?.kind !== "sign" || !isOperator(sign.text)) return left;
    this.#at++;
    const right = this.#item(`a value after "${sign.text}"`, `after ${sign.text} `);
    const further = this.#tokens[this.#at];
    if (further?.kind === "sign" && isOperator(further.text))
      throw filterError(
        this.#filter,
        `"${further.text}" after an arithmetic: one operator is taken, as trace-cmd does`,
      );
    return { kind: "arithmetic", operator: sign.text, left, right };
  }

  #item(wanted: string, place: string): FilterItem {
    const token = this.#next(wanted);
    if (token.kind === "name") return { kind: "field", name: token.text };
    if (token.kind === "number") return { kind: "number", value: token.value };
    const next = this.#tokens[this.#at];
    if (token.kind === "sign" && token.text === "-" && next?.kind === "number") {
      this.#at++;
      return { kind: "number", value: -next.value };
    }
    if (place === "") throw filterError(this.#filter, `"${token.text}" is no field`);
    throw filterError(this.#filter, `"${token.text}" ${place}is no value`, "write a number, or a text in quotes");
  }

  #next(wanted: string): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw filterError(this.#filter, `it ends where ${wanted} is expected`);
    return token;
  }
}

function isComparison(text: string): text is Comparison {
  return /^(?:[=!]=|[<>]=?)$/.test(text);
}

function isTextComparison(text: string): text is TextComparison {
  return /^(?:[=!]=|[=!]?~)$/.test(text);
}

function isOperator(text: string): boolean {
  return /^(?:[-+*/%&|^]|<<|>>)$/.test(text);
}
