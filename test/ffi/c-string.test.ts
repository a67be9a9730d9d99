import { expect, test } from "bun:test";
import { cString } from "../../ffi/c-string.ts";

test("cString() keeps the strings of a call while more of them are made", async () => {
  const strings = Array.from({ length: 4 }, (_, index) => new WeakRef(cString(`name${index}`)));
  // A WeakRef itself keeps what it was given for as long as this turn of the event loop.
  await Bun.sleep(0);
  Bun.gc(true);
  const texts = strings.map((string) => Buffer.from(string.deref() ?? []).toString());
  expect(texts).toEqual(["name0\0", "name1\0", "name2\0", "name3\0"]);
});
