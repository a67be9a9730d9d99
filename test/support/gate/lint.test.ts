/** Which files the linter reads again: none that could have a new finding may be left out. */
import { describe, expect, test } from "bun:test";
import { lintHashes } from "./lint.ts";

const texts: Record<string, string> = { a: "1", b: "2", c: "3", d: "4" };
/** c and d import each other. */
const imports: Record<string, string[]> = { a: ["b"], b: ["c"], c: ["d"], d: ["c"] };
const hashes = (changed: Record<string, string> = {}, common = "", more: Record<string, string[]> = {}) =>
  lintHashes(
    Object.keys(texts),
    (file) => changed[file] ?? texts[file] ?? "",
    (file) => ({ ...imports, ...more })[file] ?? [],
    common,
  );
const whatChanged = (now: Map<string, string>): string[] =>
  [...now].filter(([file, hash]) => hashes().get(file) !== hash).map(([file]) => file);

describe("lintHashes()", () => {
  test.each([
    [{}, []],
    [{ a: "x" }, ["a"]],
    [{ b: "x" }, ["a", "b"]],
    [{ c: "x" }, ["a", "b", "c", "d"]],
    [{ d: "x" }, ["a", "b", "c", "d"]],
  ])("after %p has other values for %p", (changed, others) => {
    expect(whatChanged(hashes(changed))).toEqual(others);
  });

  test("has other values for all when the rules changed, and for who imports other files", () => {
    expect(whatChanged(hashes({}, "rule"))).toEqual(["a", "b", "c", "d"]);
    expect(whatChanged(hashes({}, "", { b: [] }))).toEqual(["a", "b"]);
  });
});
