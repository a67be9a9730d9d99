import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { headBytes, headInBeginning, parseEventHead } from "../../src/events/event-format.ts";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import { testSeed } from "../support/seed.ts";

const fixtures = join(import.meta.dir, "../fixtures");

test("The heads of recorded formats are those of their whole texts, and nearly all are known by their beginnings", () => {
  let [formats, known] = [0, 0];
  for (const name of readdirSync(fixtures).filter((entry) => entry.startsWith("linux-"))) {
    const source = openTraceDat(join(fixtures, name, "trace.dat"));
    for (const format of source.metadata.formats) {
      const whole = parseEventHead(format.system, format.text);
      expect(format.head).toEqual(whole);
      formats++;
      if (headInBeginning(format.system, format.text.slice(0, headBytes)) !== undefined) known++;
    }
    source.close();
  }
  expect(formats).toBeGreaterThan(100);
  expect(known).toBe(formats);
});

test("A beginning tells the head of the whole text, or none", () => {
  const piece = fc.constantFrom(
    "name:",
    "name: ",
    "\nID:",
    "\nID: ",
    "a_b",
    "12",
    "70000",
    " ",
    "\n",
    "\t",
    ":",
    "-",
    "\0",
  );
  const pieces = fc.array(piece, { maxLength: 4 }).map((list) => list.join(""));
  let told = 0;
  fc.assert(
    fc.property(pieces, pieces, pieces, fc.nat(40), (name, number, rest, cut) => {
      const text = `name:${name}\nID:${number}\n${rest}`;
      const head = headInBeginning("system", text.slice(0, cut));
      if (head === undefined) return;
      told++;
      expect(head).toEqual(parseEventHead("system", text) ?? { ...head, name: "no head" });
    }),
    { numRuns: 5000, seed: testSeed },
  );
  expect(told).toBeGreaterThan(20);
});
