import { expect, test } from "bun:test";
import { isWholeBody } from "./support/metadata-body.ts";

const progress = `{"reply":"progress","word":"metadata"}\n`;
const frame = (text: string, last = false): string =>
  `${JSON.stringify({ reply: "frame", bytes: text.length, ...(last ? { last } : {}) })}\n${text}`;
const framed = `{"reply":"metadata","bytes":12,"frames":true}\n${frame("first\n")}${progress}${frame("second", true)}`;

test.each([
  ["one piece", `${progress}{"reply":"metadata","bytes":6}\nfirst\n`],
  ["frames of an announced length", framed],
  [
    "frames of sections",
    `{"reply":"sections"}\n${frame("{\n")}${progress}${frame(`"last":true}\n`)}${frame("x", true)}`,
  ],
])("a body in %s is whole at its last byte, and not before", (_, text) => {
  const bytes = Buffer.from(text);
  for (let length = 0; length < bytes.length; length++) expect(isWholeBody(bytes.subarray(0, length))).toBeFalse();
  expect(isWholeBody(bytes)).toBeTrue();
});
