/** Splits the C of a print fmt into tokens, char by char: hostile input costs no more than other input. */
import { eventLimits } from "../limits.ts";
import { PrintFormatError } from "./expression.ts";

export type Token =
  | { kind: "word"; text: string }
  | { kind: "number"; value: bigint }
  | { kind: "string"; text: string }
  | { kind: "punctuation"; text: string }
  | { kind: "end" };

const longPunctuation = new Set(["->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||"]);
const shortPunctuation = new Set("-+*/%&|^~!<>?:,.(){}[]");
const escapes = new Map([
  ["n", "\n"],
  ["t", "\t"],
  ["r", "\r"],
  ["0", "\0"],
]);
/** A longer character constant is invalid. */
const characterMax = 4;

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    const char = text.charAt(at);
    if (isBlank(char)) {
      at++;
      continue;
    }
    if (tokens.length >= eventLimits.printFormatTokens) throw new PrintFormatError("too long");
    let end: number;
    if (isWordStart(char)) {
      end = endOf(text, at, isWordPart);
      tokens.push({ kind: "word", text: text.slice(at, end) });
    } else if (isDigit(char)) {
      end = endOfNumber(text, at);
      tokens.push({ kind: "number", value: parseNumber(text.slice(at, end)) });
    } else if (char === '"') {
      end = endOfQuoted(text, at);
      tokens.push({ kind: "string", text: unescaped(text.slice(at + 1, end - 1)) });
    } else if (char === "'") {
      end = endOfQuoted(text, at);
      const content = unescaped(text.slice(at + 1, end - 1));
      if (content === "" || content.length > characterMax) throw new PrintFormatError("a character that is none");
      tokens.push({ kind: "number", value: BigInt(content.charCodeAt(0)) });
    } else {
      const two = text.slice(at, at + 2);
      const punctuation = longPunctuation.has(two) ? two : char;
      if (!longPunctuation.has(two) && !shortPunctuation.has(char))
        throw new PrintFormatError(`unknown character "${char}"`);
      end = at + punctuation.length;
      tokens.push({ kind: "punctuation", text: punctuation });
    }
    at = end;
  }
  tokens.push({ kind: "end" });
  return tokens;
}

function endOf(text: string, start: number, is: (char: string) => boolean): number {
  let end = start;
  while (end < text.length && is(text.charAt(end))) end++;
  return end;
}

function endOfNumber(text: string, start: number): number {
  const hex = text.charAt(start) === "0" && /^[xX]$/.test(text.charAt(start + 1)) && isHexDigit(text.charAt(start + 2));
  const end = hex ? endOf(text, start + 2, isHexDigit) : endOf(text, start, isDigit);
  return endOf(text, end, isSuffix);
}

/** Offset after the closing quote, which is the same character as the one at `start`. */
function endOfQuoted(text: string, start: number): number {
  const quote = text.charAt(start);
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "\\") at++;
    else if (char === quote) return at + 1;
  }
  throw new PrintFormatError(`${quote} without an end`);
}

/** Like strtoull: 0x for hex, a leading 0 for octal; more than 64 bits become all ones. */
function parseNumber(text: string): bigint {
  const digits = text.slice(
    0,
    endOf(text, 0, (char) => !isSuffix(char)),
  );
  const octal = digits.length > 1 && digits.startsWith("0") && isDigit(digits.charAt(1));
  let value: bigint;
  if (digits.length > 40) value = 1n << 64n;
  else if (octal) value = endOf(digits, 0, isOctalDigit) === digits.length ? BigInt(`0o${digits.slice(1)}`) : 0n;
  else value = BigInt(digits);
  return value >> 64n === 0n ? value : 0xffff_ffff_ffff_ffffn;
}

function unescaped(text: string): string {
  if (!text.includes("\\")) return text;
  let plain = "";
  for (let at = 0; at < text.length;) {
    const slash = text.indexOf("\\", at);
    if (slash < 0) return plain + text.slice(at);
    const char = text.charAt(slash + 1);
    plain += text.slice(at, slash) + (escapes.get(char) ?? char);
    at = slash + 2;
  }
  return plain;
}

const isBlank = (char: string): boolean => char === " " || (char >= "\t" && char <= "\r") || char === "\xa0";
const isDigit = (char: string): boolean => char >= "0" && char <= "9";
const isOctalDigit = (char: string): boolean => char >= "0" && char <= "7";
const isHexDigit = (char: string): boolean =>
  isDigit(char) || (char >= "a" && char <= "f") || (char >= "A" && char <= "F");
const isSuffix = (char: string): boolean => char === "u" || char === "U" || char === "l" || char === "L";
const isWordStart = (char: string): boolean =>
  (char >= "a" && char <= "z") || (char >= "A" && char <= "Z") || char === "_" || char === "$";
const isWordPart = (char: string): boolean => isWordStart(char) || isDigit(char) || char === ".";
