import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { writeJsonText } from "../../src/views/json-string.ts";
import { anyText } from "../support/any-text.ts";
import { inQuickForm } from "../support/quick.ts";

const out = new ByteWriter(() => {});

function written(bytes: Uint8Array): string {
  out.length = 0;
  writeJsonText(out, bytes, 0, bytes.length);
  // As a reader of the output takes it: what is no UTF-8 would not pass.
  return new TextDecoder("utf-8", { fatal: true }).decode(out.bytes.subarray(0, out.length));
}

/** By the platform's decoder: the sequence at the start of the bytes, else one byte as latin1. */
function expected(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length && bytes[at] !== 0;) {
    const length = [1, 2, 3, 4].find((size) => {
      try {
        const part = bytes.subarray(at, at + size);
        return (
          new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part).length > 0 && part.length === size
        );
      } catch {
        return false;
      }
    });
    text +=
      length === undefined
        ? String.fromCharCode(bytes[at] ?? 0)
        : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(at, at + length));
    at += length ?? 1;
  }
  return text;
}

test("UTF-8 stays as it is", () => {
  expect(written(Buffer.from('café € 𝄞 "quoted" \\ \n'))).toBe("café € 𝄞 \\u0022quoted\\u0022 \\u005c \\u000a");
});

test("controls are escaped, those of C1 too; bytes that are no UTF-8 are latin1", () => {
  expect(written(Buffer.from("\x1b[31m\x7f\u009b", "utf8"))).toBe("\\u001b[31m\\u007f\\u009b");
  expect(written(Buffer.from("caf\xe9 \x9b", "latin1"))).toBe("caf\\u00e9 \\u009b");
  // Cut in the middle of a letter, as the kernel cuts names.
  expect(written(Buffer.from("caf\xc3", "latin1"))).toBe("caf\\u00c3");
});

test("any bytes make a string that JSON reads as what they are", () => {
  const mostly = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    anyText(20).map((text) => new Uint8Array(Buffer.from(text))),
    fc
      .tuple(anyText(9), fc.uint8Array({ maxLength: 3 }))
      .map(([text, rest]) => new Uint8Array(Buffer.concat([Buffer.from(text), rest]))),
  );
  fc.assert(
    fc.property(mostly, (bytes) => {
      expect(JSON.parse(`"${written(bytes)}"`)).toBe(expected(bytes));
    }),
    { numRuns: inQuickForm(50, 200) },
  );
});
