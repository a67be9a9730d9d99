/** Foreign text on its way to a person: nothing in it steers a terminal, and what is a letter stays one. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { foreignAscii, foreignBytes, foreignLines, foreignText } from "../../src/base/foreign-text.ts";
import { anyText } from "../support/any-text.ts";
import { hostileTexts, steersTerminal } from "../support/hostile-text.ts";

const latin1 = (text: string): string => Buffer.from(text).toString("latin1");

describe("foreignText", () => {
  test("leaves nothing that steers a terminal, whatever the text holds", () => {
    for (const text of hostileTexts) {
      for (const shown of [foreignText(text), foreignText(latin1(text)), foreignAscii(text)]) {
        expect([text, steersTerminal(Buffer.from(shown))]).toEqual([text, false]);
        expect(shown).not.toContain("\n");
      }
      expect(steersTerminal(Buffer.from(foreignLines(text)))).toBe(false);
      expect(steersTerminal(foreignBytes(Buffer.from(text)))).toBe(false);
      expect(steersTerminal(foreignBytes(Buffer.from(text, "latin1")))).toBe(false);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(steersTerminal(Buffer.from(foreignText(Buffer.from(bytes).toString("latin1"))))).toBe(false);
        expect(steersTerminal(foreignBytes(bytes))).toBe(false);
      }),
    );
    fc.assert(
      fc.property(anyText(), (text) => {
        expect(steersTerminal(Buffer.from(foreignText(text)))).toBe(false);
      }),
    );
  });

  test("keeps letters: of UTF-8 that came as bytes, of latin1 that is none, of Unicode", () => {
    expect(foreignText(latin1("café €"))).toBe("café €");
    expect(foreignText("caf\xe9")).toBe("café");
    expect(foreignText("café €")).toBe("café €");
    expect(foreignText("日本語", 2)).toBe("日本");
    expect(Buffer.from(foreignBytes(Buffer.from("a\tcafé €\nb\x1b\n"))).toString()).toBe("a\tcafé €\nb?\n");
    expect(Buffer.from(foreignBytes(Buffer.from("caf\xe9 \x9b31m\n", "latin1"))).toString()).toBe(
      "caf\ufffd \ufffd31m\n",
    );
  });

  test("a line of several cannot pass for one of ours", () => {
    expect(foreignLines("bad\ntrace-agent: all is well")).toBe("bad\n  trace-agent: all is well");
  });
});
