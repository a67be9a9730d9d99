/** EventCounter beside the cursor that it must agree with. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { countEvents, EventCounter, type EventTally } from "../../src/ring-buffer/event-count.ts";
import { layoutOf, SubBufferCursor, type SubBufferLayout, unknownLoss } from "../../src/ring-buffer/sub-buffer.ts";
import { subBuffer } from "../support/sub-buffers.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";

function countWithCursor(bytes: Uint8Array, layout: SubBufferLayout): EventTally & { subBuffers: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const cursor = new SubBufferCursor(layout);
  const tally = { subBuffers: 0, events: 0, lostEvents: 0, unknownLosses: 0, damaged: 0 };
  for (let offset = 0; offset + layout.sizeBytes <= bytes.byteLength; offset += layout.sizeBytes) {
    cursor.reset(view, offset);
    tally.subBuffers++;
    if (cursor.lostEvents === unknownLoss) tally.unknownLosses++;
    else tally.lostEvents += cursor.lostEvents;
    while (cursor.next()) tally.events++;
    if (cursor.damage !== undefined) tally.damaged++;
  }
  return tally;
}

/** Heads of every type, with lengths that fit, nearly fit and do not; and plain words. */
const littleHead = fc
  .tuple(fc.nat(31), fc.constantFrom(0, 1, 7, 0x07ff_ffff))
  .map(([type, delta]) => (delta * 32 + type) >>> 0);
const bigHead = fc
  .tuple(fc.nat(31), fc.constantFrom(0, 1, 0x07ff_ffff))
  .map(([type, delta]) => (type * 2 ** 27 + delta) >>> 0);
const word = fc.oneof(
  { weight: 4, arbitrary: littleHead },
  { weight: 1, arbitrary: bigHead },
  { weight: 3, arbitrary: fc.nat(70) },
  { weight: 1, arbitrary: fc.integer({ min: 0xffff_fff0, max: 0xffff_ffff }) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);
const piece = fc.record({
  subBuffers: fc.array(
    fc.record({
      words: fc.array(word, { minLength: 1, maxLength: 64, size: "max" }),
      commit: fc.oneof({ weight: 3, arbitrary: fc.constant("all" as const) }, { weight: 1, arbitrary: fc.nat(300) }),
      flags: fc.constantFrom(0, 0x4000_0000, 0x8000_0000, 0xc000_0000),
    }),
    { maxLength: 4 },
  ),
  sizeBytes: fc.constantFrom(256, 256, 256, 260, 255, 254),
  longBytes: fc.constantFrom(8 as const, 4 as const),
  littleEndian: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  startsAt: fc.constantFrom(0, 0, 0, 1, 4, 6),
  tail: fc.nat(40),
});

describe("EventCounter", () => {
  test("counts what the cursor counts, whatever the bytes and the layout are", () => {
    let events = 0;
    let damaged = 0;
    let whole = 0;
    fc.assert(
      fc.property(piece, ({ subBuffers, sizeBytes, longBytes, littleEndian, startsAt, tail }) => {
        const layout = layoutOf(sizeBytes, longBytes, littleEndian);
        const bytes = new Uint8Array(new ArrayBuffer(startsAt + subBuffers.length * sizeBytes + tail), startsAt);
        const view = new DataView(bytes.buffer, startsAt);
        for (const [index, { words, commit, flags }] of subBuffers.entries()) {
          const start = index * sizeBytes;
          const most = sizeBytes - layout.headerBytes;
          for (const [place, value] of words.slice(0, Math.floor(most / 4)).entries()) {
            view.setUint32(start + layout.headerBytes + place * 4, value, littleEndian);
          }
          const length = commit === "all" ? Math.min(words.length * 4, most) : commit;
          view.setUint32(start + 8 + (littleEndian || longBytes === 4 ? 0 : 4), (flags | length) >>> 0, littleEndian);
        }
        const expected = countWithCursor(bytes, layout);
        expect(countEvents(bytes, layout)).toEqual(expected);
        events += expected.events;
        damaged += expected.damaged;
        whole += expected.subBuffers - expected.damaged;
      }),
      { numRuns: inLongForm(10_000, 1_000_000) },
    );
    // The inputs are such that every way through the loop is taken often.
    expect(Math.min(events, damaged, whole)).toBeGreaterThan(1000);
  }, 300_000);

  test("counts what the cursor counts in random bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 512, size: "max" }),
        fc.constantFrom(4 as const, 8 as const),
        (bytes, longBytes) => {
          const layout = layoutOf(64, longBytes);
          // A commit that fits, so that the events are looked at.
          for (let start = 0; start + 64 <= bytes.length; start += 64)
            bytes.set([bytes[start + 8] ?? 0, 0, 0, (bytes[start + 11] ?? 0) & 0xf8], start + 8);
          expect(countEvents(bytes, layout)).toEqual(countWithCursor(bytes, layout));
        },
      ),
      { numRuns: inQuickForm(1_000, inLongForm(5_000, 1_000_000)) },
    );
  }, 300_000);

  test("counts every cut of a sub-buffer's commit as the cursor does", () => {
    const layout = layoutOf(4096, 8);
    const bytes = new Uint8Array(subBuffer(300));
    const view = new DataView(bytes.buffer);
    for (let length = 0; length <= 4100; length++) {
      view.setUint32(8, length, true);
      expect([length, countEvents(bytes, layout)]).toEqual([length, countWithCursor(bytes, layout)]);
    }
  });

  test("adds up over pieces", () => {
    const counter = new EventCounter(layoutOf(4096, 8));
    const tally: EventTally = { events: 0, lostEvents: 0, unknownLosses: 0, damaged: 0 };
    counter.add(Buffer.concat([subBuffer(3), subBuffer(2, 0, 5)]), tally);
    counter.add(subBuffer(300), tally);
    counter.add(new Uint8Array(0), tally);
    expect(tally).toEqual({ events: 305, lostEvents: 5, unknownLosses: 0, damaged: 0 });
  });
});
