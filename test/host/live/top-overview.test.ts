import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { overviewOf } from "../../../src/host/live/top-overview.ts";
import { viewOf } from "../../support/made-top-view.ts";

const state = { paused: false, message: "", help: false };
type Guests = Parameters<typeof overviewOf>[0];

function guestsOf(count: number, cpus: number, waitMs: (index: number) => number | undefined): Guests {
  return Array.from({ length: count }, (_, index) => {
    const view = viewOf(cpus, 3);
    const ms = waitMs(index);
    const longestWait =
      view.longestWait === undefined || ms === undefined ? undefined : { ...view.longestWait, end: ms * 1e6 };
    return { name: `vm${index + 1}`, view: { ...view, longestWait }, title: "", silentMs: 0, ended: false };
  });
}

const textsOf = (guests: Guests, chosen = 0, columns = 80, rows = 24): string[] =>
  overviewOf(guests, chosen, state, columns, rows).map(({ text }) => text.trimEnd());

describe("top of several guests", () => {
  test("names who waited longest in each guest, and who ran meanwhile", () => {
    const texts = textsOf(guestsOf(3, 2, (index) => (index === 1 ? undefined : 10 + index)));
    expect(texts.filter((text) => text.includes("longest wait"))).toEqual([
      "vm1    longest wait 10.0 ms, victim-123 on CPU 1: h?[2Jog-77 ran 12.0 ms",
      "vm3    longest wait 12.0 ms, victim-123 on CPU 1: h?[2Jog-77 ran 12.0 ms",
    ]);
    expect(texts[0]).toStartWith("GUEST");
  });

  test("keeps the longest wait of all on its first line where not all guests fit", () => {
    const guests = guestsOf(20, 4, (index) => (index === 17 ? 300 : index));
    for (const chosen of [0, 10, 19]) {
      const texts = textsOf(guests, chosen);
      expect(texts[0]).toBe("vm18: longest wait 300.0 ms, victim-123 on CPU 1: h?[2Jog-77 ran 12.0 ms");
      expect(texts[1]).toStartWith("GUEST");
      expect(texts.some((text) => text.startsWith(`vm${chosen + 1} `))).toBe(true);
      expect(texts.at(-1)).toStartWith("q quit  p pause  j,k choose");
    }
  });

  test("fits a terminal of any size, and holds nothing that commands it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.nat(20),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 100 }),
        (count, cpus, columns, rows) => {
          const lines = overviewOf(
            guestsOf(count, cpus, (index) => index),
            count - 1,
            state,
            columns,
            rows,
          );
          expect(lines.length).toBe(rows);
          expect(lines.every(({ text }) => text.length <= columns && /^[\x20-\x7e]*$/.test(text))).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});
