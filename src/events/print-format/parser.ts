/** A print fmt -> its format string and the expressions of its arguments, with C's precedence of operators. */
import { eventLimits } from "../limits.ts";
import { type Expression, PrintFormatError } from "./expression.ts";
import { type Token, tokenize } from "./lexer.ts";

export type PrintFormat = { format: string; arguments: Expression[] };

const precedence: Record<string, number> = {
  "*": 10,
  "/": 10,
  "%": 10,
  "+": 9,
  "-": 9,
  "<<": 8,
  ">>": 8,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "==": 6,
  "!=": 6,
  "&": 5,
  "^": 4,
  "|": 3,
  "&&": 2,
  "||": 1,
};

const typeWord = /^(?:unsigned|signed|long|int|short|char|[us](?:8|16|32|64)|\*)$/;

/** Throws a PrintFormatError. */
export function parsePrintFormat(text: string): PrintFormat {
  const parser = new Parser(tokenize(text));
  const format = parser.strings();
  const list: Expression[] = [];
  while (parser.accept(",")) list.push(parser.expression());
  parser.expectEnd();
  return { format, arguments: list };
}

/** Of the value of a table's entry, which is a constant; GFP_TRANSHUGE has 150 as the kernel writes it. */
const pairNodesMax = 1_024;

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  #nodes = 0;
  #pairs = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  accept(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#next++;
    return true;
  }

  expectEnd(): void {
    if (this.#peek().kind !== "end") throw new PrintFormatError("text after the last argument");
  }

  /** Neighbouring strings are one. */
  strings(): string {
    let text = "";
    let token = this.#peek();
    if (token.kind !== "string") throw new PrintFormatError("a string is missing");
    for (; token.kind === "string"; token = this.#peek()) {
      text += token.text;
      this.#next++;
    }
    return text;
  }

  expression(): Expression {
    if (++this.#depth > eventLimits.printFormatDepth) throw new PrintFormatError("nested too deeply");
    const test = this.#binary(1);
    let result = test;
    if (this.accept("?")) {
      // GNU C's `a ?: b`.
      const yes = this.#is(":") ? test : this.expression();
      this.#expect(":");
      result = this.#node({ kind: "condition", test, yes, no: this.expression() });
    }
    this.#depth--;
    return result;
  }

  #binary(least: number): Expression {
    let left = this.#unary();
    for (;;) {
      const token = this.#peek();
      const rank = token.kind === "punctuation" ? (precedence[token.text] ?? 0) : 0;
      if (token.kind !== "punctuation" || rank < least) return left;
      this.#next++;
      left = this.#node({ kind: "binary", operator: token.text, left, right: this.#binary(rank + 1) });
    }
  }

  #unary(): Expression {
    if (++this.#depth > eventLimits.printFormatDepth) throw new PrintFormatError("nested too deeply");
    const result = this.#operand();
    this.#depth--;
    return this.#indexed(result);
  }

  #operand(): Expression {
    const token = this.#peek();
    if (token.kind === "punctuation" && ["-", "+", "~", "!", "*", "&"].includes(token.text)) {
      this.#next++;
      return this.#node({ kind: "unary", operator: token.text, item: this.#unary() });
    }
    if (this.accept("(")) {
      if (this.#isWord(0, "REC") && this.#isPunctuation(1, ")")) {
        this.#next += 2;
        return this.#field();
      }
      const type = this.#castType();
      if (type !== undefined) return this.#node({ kind: "cast", type, item: this.#unary() });
      const inner = this.expression();
      this.#expect(")");
      return inner;
    }
    if (token.kind === "string") return this.#node({ kind: "string", text: this.strings() });
    this.#next++;
    if (token.kind === "number") return this.#node({ kind: "number", value: token.value });
    if (token.kind !== "word") throw new PrintFormatError("an operand is missing");
    if (token.text === "REC") return this.#field();
    if (this.accept("(")) return this.#call(token.text);
    return this.#node({ kind: "name", name: token.text });
  }

  #field(): Expression {
    this.#expect("->");
    const token = this.#take();
    if (token.kind !== "word") throw new PrintFormatError("REC-> without a field");
    return this.#node({ kind: "field", name: token.text });
  }

  #indexed(array: Expression): Expression {
    let result = array;
    while (this.accept("[")) {
      result = this.#node({ kind: "index", array: result, index: this.expression() });
      this.#expect("]");
    }
    return result;
  }

  #call(name: string): Expression {
    if (name === "sizeof") return this.#sizeof();
    const list: Expression[] = [];
    if (this.accept(")")) return { kind: "call", name, arguments: list };
    do {
      // A table may end with a comma.
      if (this.#is(")")) break;
      list.push(this.accept("{") ? this.#pair() : this.expression());
    } while (this.accept(","));
    this.#expect(")");
    return { kind: "call", name, arguments: list };
  }

  /** Each part is computed for an event: a print fmt of more of them than any kernel has is refused. */
  #node<T extends Expression>(expression: T): T {
    if (++this.#nodes > eventLimits.printFormatNodes) throw new PrintFormatError("too many operands");
    return expression;
  }

  /** A pair with NULL for its text ends a table in C. */
  #pair(): Expression {
    if (++this.#pairs > eventLimits.printFormatPairs) throw new PrintFormatError("too large a table");
    const nodes = this.#nodes;
    const value = this.expression();
    this.#expect(",");
    const text = this.expression();
    if (this.#nodes - nodes > pairNodesMax) throw new PrintFormatError("a table with too long a value");
    this.#nodes = nodes;
    this.accept(",");
    this.#expect("}");
    return { kind: "pair", value, text: text.kind === "string" ? text.text : undefined };
  }

  #sizeof(): Expression {
    const start = this.#next;
    const words: string[] = [];
    for (
      let token = this.#take();
      token.kind === "word" || (token.kind === "punctuation" && token.text === "*");
      token = this.#take()
    ) {
      words.push(token.text);
    }
    this.#next--;
    if (this.accept(")") && words[0] !== "REC")
      return { kind: "call", name: "sizeof", arguments: [{ kind: "string", text: words.join(" ") }] };
    this.#next = start;
    const item = this.expression();
    this.#expect(")");
    return { kind: "call", name: "sizeof", arguments: [item] };
  }

  /** After "(": the type, if words and stars up to ")" are followed by what can be cast. */
  #castType(): string | undefined {
    let at = this.#next;
    const words: string[] = [];
    for (let token = this.#at(at); ; token = this.#at(++at)) {
      if (token.kind === "word" && token.text !== "REC") words.push(token.text);
      else if (token.kind === "punctuation" && token.text === "*" && words.length > 0) words.push("*");
      else if (token.kind === "punctuation" && token.text === ")") break;
      else return undefined;
    }
    const after = this.#at(at + 1);
    const operand =
      after.kind === "word" || after.kind === "number" || (after.kind === "punctuation" && after.text === "(");
    // Before a sign, (a) may be a value; of a type's own words it cannot be.
    const signed =
      after.kind === "punctuation" && /^[-~!]$/.test(after.text) && words.some((word) => typeWord.test(word));
    if (words.length === 0 || (!operand && !signed)) return undefined;
    this.#next = at + 1;
    return words.join(" ");
  }

  #at(index: number): Token {
    return this.#tokens[index] ?? { kind: "end" };
  }

  #isWord(ahead: number, text: string): boolean {
    const token = this.#at(this.#next + ahead);
    return token.kind === "word" && token.text === text;
  }

  #isPunctuation(ahead: number, text: string): boolean {
    const token = this.#at(this.#next + ahead);
    return token.kind === "punctuation" && token.text === text;
  }

  #peek(): Token {
    return this.#at(this.#next);
  }

  #take(): Token {
    return this.#at(this.#next++);
  }

  #is(text: string): boolean {
    return this.#isPunctuation(0, text);
  }

  #expect(text: string): void {
    if (!this.accept(text)) throw new PrintFormatError(`"${text}" is missing`);
  }
}
