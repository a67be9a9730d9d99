/** Cuts the C of a print fmt into tokens. */
import { PrintFormatError } from "./expression.ts";

export type Token =
  | { kind: "word"; text: string }
  | { kind: "number"; value: bigint }
  | { kind: "string"; text: string }
  | { kind: "punctuation"; text: string }
  | { kind: "end" };

const blank = /\s+/y;
const word = /[A-Za-z_$][\w$.]*/y;
const number = /(?:0[xX][0-9a-fA-F]+|\d+)(?:[uUlL]*)/y;
const quoted = /"((?:[^"\\]|\\[\s\S])*)"/y;
const character = /'((?:[^'\\]|\\[\s\S]){1,4})'/y;
const punctuation = /->|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>?:,.(){}[\]]/y;

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  while (at < text.length) {
    if (match(blank) !== null) continue;
    let found = match(word);
    if (found !== null) {
      tokens.push({ kind: "word", text: found[0] });
      continue;
    }
    found = match(number);
    if (found !== null) {
      tokens.push({ kind: "number", value: parseNumber(found[0]) });
      continue;
    }
    found = match(quoted);
    if (found !== null) {
      tokens.push({ kind: "string", text: unescape(found[1] ?? "") });
      continue;
    }
    found = match(character);
    if (found !== null) {
      tokens.push({ kind: "number", value: BigInt(unescape(found[1] ?? "").charCodeAt(0)) });
      continue;
    }
    found = match(punctuation);
    if (found === null) throw new PrintFormatError(`unknown character "${text.charAt(at)}"`);
    tokens.push({ kind: "punctuation", text: found[0] });
  }
  tokens.push({ kind: "end" });
  return tokens;
}

/** As strtoull does: 0x for hex, a leading 0 for octal; more than 64 bits are all ones. */
function parseNumber(text: string): bigint {
  const digits = text.replace(/[uUlL]+$/, "");
  let value: bigint;
  if (/^0[0-7]+$/.test(digits)) value = BigInt(`0o${digits.slice(1)}`);
  else if (digits.length > 40) value = 1n << 64n;
  else value = /^0\d/.test(digits) ? 0n : BigInt(digits);
  return value >> 64n === 0n ? value : 0xffff_ffff_ffff_ffffn;
}

const escapes: Record<string, string> = { n: "\n", t: "\t", r: "\r", 0: "\0" };

function unescape(text: string): string {
  return text.replaceAll(/\\([\s\S])/g, (_, char: string) => escapes[char] ?? char);
}
