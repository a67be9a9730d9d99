/** Lines of a recorder's file, which its parsers do not tell. */
import { expect, test } from "bun:test";
import { lineOfFault, lineOfKey } from "../../src/cli/config-lines.ts";

const machines = 200;
const text = Array.from({ length: machines }, (_, index) => `[machines.vm${index}]\nwait = [\n  1,\n]\n`).join("");

/** That counts how often it is asked. */
function counting(): { parse: (text: string) => unknown; asked: () => number } {
  let asked = 0;
  return { parse: (part) => (asked++, Bun.TOML.parse(part)), asked: () => asked };
}

test("are found in a large file by reading parts of it a few times", () => {
  const { parse, asked } = counting();
  expect(lineOfKey(text, parse, "machines.vm170.wait.0")).toBe(683);
  expect(lineOfKey(text, parse, "machines.vm199")).toBe(797);
  let fault: unknown;
  const bad = `${text}host =\n${text}`;
  try {
    parse(bad);
  } catch (error) {
    fault = error;
  }
  expect(lineOfFault(bad, parse, fault)).toBe(machines * 4 + 1);
  expect(asked()).toBeLessThan(200);
});

test("are those of the nearest key above one that is not there, and none where that is none", () => {
  const parse = (part: string): unknown => Bun.TOML.parse(part);
  expect(lineOfKey('a = 1\n\n["x.y"]\nb = 2\n', parse, "x.y.c")).toBe(3);
  expect(lineOfKey("a = 1\n", parse, "c")).toBeUndefined();
});
