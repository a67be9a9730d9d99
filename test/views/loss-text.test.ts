import { expect, test } from "bun:test";
import { lossCell, lossText } from "../../src/views/loss-text.ts";
import { totalsText } from "../../src/views/live-text.ts";

test("a loss that the kernel did not count is never told as 0", () => {
  const texts = [
    [0, 0],
    [12, 0],
    [0, 1],
    [0, 6],
    [12, 6],
  ].map(([lostEvents = 0, unknownLosses = 0]) => ({ lostEvents, unknownLosses }));
  expect(texts.map((losses) => lossText(losses, " events"))).toEqual([
    "0 events",
    "12 events",
    "an unknown number (once)",
    "an unknown number (6 times)",
    "12 events and an unknown number (6 times)",
  ]);
  expect(texts.map(lossCell)).toEqual(["0", "12", "?", "?", "12+?"]);
  expect(totalsText({ events: 5, lostEvents: 0, unknownLosses: 6, damagedSubBuffers: 0 })).toBe(
    "5 events, an unknown number (6 times) lost",
  );
});
