import { describe, expect, test } from "bun:test";
import { JsonScanner } from "../../src/base/json-scanner.ts";

const scanner = (text: string): JsonScanner => new JsonScanner(Buffer.from(text));

describe("a string as bytes", () => {
  test("is that of JSON.parse(), whatever is escaped in it", () => {
    for (const text of ["", "a b\n", 'q"\\/\b\f\r\t\n', "\u00e9\u00ff\0", "x".repeat(5_000), "\u001b[2J"]) {
      const json = scanner(` ${JSON.stringify(text)} `);
      expect(json.latin1()?.toString("latin1")).toBe(text);
      json.end();
    }
    expect(scanner('"\\/\\u0041"').latin1()?.toString()).toBe("/A");
  });

  test("is none where chars do not fit, and passed over; a broken escape and a text that is too long are errors", () => {
    const json = scanner('"\u20ac"');
    expect(json.latin1()).toBeUndefined();
    json.end();
    expect(scanner("12").latin1()).toBeUndefined();
    expect(() => scanner('"\\x"').latin1()).toThrow(SyntaxError);
    expect(() => scanner('"a\nb"').latin1()).toThrow(SyntaxError);
    expect(() => scanner('"abcd').latin1()).toThrow(SyntaxError);
    expect(() => scanner('"abcd"').latin1(3)).toThrow("a text of 4 bytes");
  });
});
