/** The words of a filter expression: names, numbers, texts in quotes, operators. */
import { AgentError } from "../../base/errors.ts";
import { timelineLimits } from "../limits.ts";

export type Token =
  | { readonly kind: "name"; readonly text: string }
  | { readonly kind: "number"; readonly text: string; readonly value: bigint }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "sign"; readonly text: string };

/** `filter`: all of it, for the error. */
export function readTokens(expression: string, filter: string): Token[] {
  const tokens: Token[] = [];
  // One of its groups matches, or what stands there is nothing that a filter knows.
  const pattern =
    /\s*(?:([A-Za-z_]\w*)|(0[xX][\da-fA-F]+|\d+)(?!\w)|"([^"]*)"|'([^']*)'|(&&|\|\||<<|>>|==|!=|<=|>=|=~|!~|[<>~!()&|^+*/%-]))\s*/y;
  while (pattern.lastIndex < expression.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(expression);
    if (match === null) throw filterError(filter, `"${expression.slice(at, at + 20).trim()}" is not understood`);
    const [, name, number, double, single, sign] = match;
    if (name !== undefined) tokens.push({ kind: "name", text: name });
    else if (number !== undefined) tokens.push({ kind: "number", text: number, value: numberOf(number) });
    else if (sign !== undefined) tokens.push({ kind: "sign", text: sign });
    else if (single?.length === 1) tokens.push({ kind: "number", text: single, value: BigInt(single.charCodeAt(0)) });
    else tokens.push({ kind: "text", text: bytesOf(double ?? single ?? "") });
    if (tokens.length > timelineLimits.filterTokens)
      throw filterError(filter, `it has more than ${timelineLimits.filterTokens} words and signs`);
  }
  return tokens;
}

export function filterError(filter: string, what: string, remedy?: string): AgentError {
  return new AgentError("usage", `cannot filter by "${filter}": ${what}`, {
    remedy: remedy ?? "write it as in -F 'sched_switch: next_pid == 5 && prev_comm =~ \"^kworker\"'",
  });
}

/** As strtoull(3) with base 0, which trace-cmd reads them with: 0x1f, and 017 is 15. */
function numberOf(digits: string): bigint {
  const isOctal = /^0[0-7]+$/.test(digits);
  return BigInt(isOctal ? `0o${digits.slice(1)}` : digits);
}

/** Names in a recording are bytes, each a char here. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}
