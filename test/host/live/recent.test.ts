/** What `top` keeps of the past: the newest pieces, whole, in order, in a ring of fixed size. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { RecentData } from "../../../src/host/live/recent.ts";

test("keeps the newest pieces of each CPU, whole and in order, within its size", () => {
  const piece = fc.record({ cpu: fc.nat(2), bytes: fc.integer({ min: 1, max: 40 }) });
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 60 }), (pieces) => {
      const recent = new RecentData(100);
      const pushed: { cpu: number; text: string }[] = [];
      for (const [index, { cpu, bytes }] of pieces.entries()) {
        const content = Buffer.alloc(bytes, index + 1);
        pushed.push({ cpu, text: content.toString("hex") });
        recent.push(cpu, content, 0);
        content.fill(0);
        const kept = [0, 1, 2].map((number) =>
          [...recent.piecesOf(number)].map((part) => Buffer.from(part).toString("hex")),
        );
        const count = kept.flat().length;
        // The newest so many, and so many that no more than two of the largest would have had room.
        const newest = pushed.slice(-count);
        for (const number of [0, 1, 2])
          expect(kept[number]).toEqual(newest.filter((one) => one.cpu === number).map((one) => one.text));
        const total = kept.flat().reduce((sum, part) => sum + part.length / 2, 0);
        expect(total).toBeLessThanOrEqual(100);
        if (count < pushed.length) expect(total).toBeGreaterThan(100 - 2 * 40);
      }
    }),
  );
});

test("what is older than ten seconds goes", () => {
  const recent = new RecentData(1_000);
  recent.push(0, Buffer.from("old"), 0);
  recent.push(0, Buffer.from("new"), 10_001);
  expect([...recent.piecesOf(0)].map((part) => Buffer.from(part).toString())).toEqual(["new"]);
});
