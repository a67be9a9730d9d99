/** Formats of several machines, held once where they are the same. */
import { expect, test } from "bun:test";
import { sharedFormats } from "../../src/events/shared-formats.ts";

test("equal lists are one, and lists that differ in a text, a name or their length are not", () => {
  const list = (...texts: string[]): { system: string; event: string; text: string }[] =>
    texts.map((text) => ({ system: "test", event: "mark", text }));
  const first = sharedFormats(list("a", "b"));
  expect(sharedFormats(list("a", "b"))).toBe(first);
  for (const other of [list("a", "c"), list("a"), list("a", "b", "c")]) expect(sharedFormats(other)).toBe(other);
  const renamed = list("a", "b").map(({ system, text }) => ({ system, event: "other", text }));
  expect(sharedFormats(renamed)).toBe(renamed);
  expect(sharedFormats(list("a", "b"))).toBe(first);
});
