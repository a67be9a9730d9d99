import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf, SubBufferCursor, type SubBufferLayout, unknownLoss } from "../../src/ring-buffer/sub-buffer.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";

/** The first bytes of a sub-buffer of Linux 6.18: five markers 0.2 s apart, one of 300 bytes, one raw marker. */
const captured =
  "H4sIAAAAAAACA9M3cLpqysTAEADEIMAJxKwMDIx7tBgYpFZ7Nv4HgozUnJx8hdzEouzUIgVDLrC6eyHPGhmJUW8EUW938gRx6o0h6vclqRCn3gSiPo77dANR6k0h6v/ZzDkA9TKDCyNEz1kkPRWjgGgAClFVZlYGYWgYguIhMSk5JTUtPQMAaAOkUGACAAA=";
const layout = layoutOf(4096, 8);

function capturedSubBuffer(): Uint8Array {
  const bytes = new Uint8Array(4096);
  bytes.set(Bun.gunzipSync(Buffer.from(captured, "base64")));
  return bytes;
}

type Made = {
  bytes: Uint8Array;
  view: DataView<ArrayBuffer>;
  put: (word: number) => Made;
  commit: (flags?: number) => Made;
};

/** A sub-buffer built word by word, for what a kernel seldom writes. */
function make(timestamp = 0n, { longBytes = 8, sizeBytes = 4096, littleEndian = true } = {}): Made {
  const bytes = new Uint8Array(sizeBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, timestamp, littleEndian);
  let end = 8 + longBytes;
  const made: Made = {
    bytes,
    view,
    put: (word) => {
      view.setUint32(end, word >>> 0, littleEndian);
      end += 4;
      return made;
    },
    commit: (flags = 0) => {
      view.setUint32(littleEndian || longBytes === 4 ? 8 : 12, (flags | (end - 8 - longBytes)) >>> 0, littleEndian);
      return made;
    },
  };
  return made;
}

function stamps(made: Made, cursor = new SubBufferCursor(layout)): number[] {
  const found: number[] = [];
  cursor.reset(made.view, 0);
  while (cursor.next()) found.push(cursor.timestamp);
  return found;
}

/** What the header of a sub-buffer says. */
function headerOf(view: DataView<ArrayBuffer>, of: SubBufferLayout): Record<string, unknown> {
  const cursor = new SubBufferCursor(of);
  cursor.reset(view, 0);
  const timestamp = view.getBigUint64(0, of.littleEndian);
  return { timestamp, dataBytes: cursor.remainingBytes, lostEvents: cursor.lostEvents, damage: cursor.damage };
}

const delta = (type: number, by: number): number => ((by << 5) | type) >>> 0;

describe("a real sub-buffer", () => {
  test("its header gives time stamp, length and no losses", () => {
    const bytes = capturedSubBuffer();
    expect(headerOf(new DataView(bytes.buffer as ArrayBuffer), layout)).toEqual({
      timestamp: 0x0235_d542_302fn,
      dataBytes: 0x250,
      lostEvents: 0,
      damage: undefined,
    });
  });

  test("its events have the times and the data that the kernel printed", () => {
    const bytes = capturedSubBuffer();
    const cursor = new SubBufferCursor(layout);
    cursor.reset(new DataView(bytes.buffer), 0);
    const lines: string[] = [];
    while (cursor.next()) {
      const text = Buffer.from(bytes.subarray(cursor.dataOffset + 16, cursor.dataOffset + cursor.dataBytes)).toString(
        "latin1",
      );
      lines.push(
        `${(cursor.timestamp / 1e9).toFixed(6)} ${cursor.dataBytes} ${text.split("\n", 1)[0]?.slice(0, 20) ?? ""}`,
      );
    }
    expect(lines.map((line) => line.replaceAll("\0", ""))).toEqual([
      "2430.234407 36 hello marker 1",
      "2430.436730 36 hello marker 2",
      "2430.638992 36 hello marker 3",
      "2430.840917 36 hello marker 4",
      "2431.042659 36 hello marker 5",
      "2431.412078 320 xxxxxxxxxxxxxxxxxxxx",
      "2431.412088 20 efgh",
    ]);
    expect(cursor.damage).toBeUndefined();
    expect(countEvents(bytes, layout)).toEqual({
      subBuffers: 1,
      events: 7,
      lostEvents: 0,
      unknownLosses: 0,
      damaged: 0,
    });
  });
});

describe("events", () => {
  test("a time extend adds its upper bits, and carries no data", () => {
    expect(stamps(make(1000n).put(delta(30, 5)).put(2).put(delta(1, 7)).put(0).commit())).toEqual([
      1000 + 2 * 2 ** 27 + 5 + 7,
    ]);
  });

  test("an absolute time stamp replaces all but the upper five bits", () => {
    const at = 0x02bc_def0_1234_5678n;
    const made = make(0x1000_0000_0000_0000n)
      .put(delta(31, Number(at & 0x7ff_ffffn)))
      .put(Number(at >> 27n))
      .put(delta(1, 1))
      .put(0)
      .commit();
    expect(stamps(made, new SubBufferCursor(layout, 0x1000_0000_0000_0000n + at))).toEqual([1]);
  });

  test("a stamp beyond 2^53 stays exact relative to an epoch", () => {
    const epoch = 0xfedc_ba98_7654_3210n;
    const made = make(epoch + 3n)
      .put(delta(1, 1))
      .put(0)
      .commit();
    expect(stamps(made, new SubBufferCursor(layout, epoch))).toEqual([4]);
  });

  test("a discarded event is passed over and its delta counts; padding with no delta ends the sub-buffer", () => {
    const made = make(0n)
      .put(delta(29, 3))
      .put(8)
      .put(0)
      .put(delta(1, 1))
      .put(0)
      .put(delta(29, 0))
      .put(99)
      .put(delta(1, 1))
      .put(0);
    expect(stamps(made.commit())).toEqual([4]);
  });

  test("a long event's length leaves out the length word and rounds up to whole words", () => {
    const cursor = new SubBufferCursor(layout);
    cursor.reset(
      make(0n)
        .put(delta(0, 1))
        .put(4 + 5)
        .put(0)
        .put(0)
        .put(delta(2, 1))
        .put(0)
        .put(0)
        .commit().view,
      0,
    );
    expect([cursor.next(), cursor.dataOffset, cursor.dataBytes]).toEqual([true, 24, 5]);
    expect([cursor.next(), cursor.dataOffset, cursor.dataBytes, cursor.next()]).toEqual([true, 36, 8, false]);
  });

  test("32-bit and big-endian kernels are read as well", () => {
    const small = make(9n, { longBytes: 4 }).put(delta(1, 1)).put(0).commit();
    expect(stamps(small, new SubBufferCursor(layoutOf(4096, 4)))).toEqual([10]);
    for (const longBytes of [4, 8] as const) {
      const big = make(9n, { longBytes, littleEndian: false })
        .put((1 << 27) | 2)
        .put(0)
        .commit();
      expect(stamps(big, new SubBufferCursor(layoutOf(4096, longBytes, false)))).toEqual([11]);
    }
  });
});

describe("losses", () => {
  const lost = (flags: number, longBytes: 4 | 8 = 8, count = 77n): number => {
    const made = make(0n, { longBytes }).put(delta(1, 1)).put(0).commit(flags);
    made.view.setBigUint64(8 + longBytes + 8, count, true);
    return headerOf(made.view, layoutOf(4096, longBytes))["lostEvents"] as number;
  };

  test("the count behind the data is read only when the header says that it is there", () => {
    expect([lost(0), lost(0x8000_0000), lost(0xc000_0000), lost(0x4000_0000)]).toEqual([0, unknownLoss, 77, 0]);
    expect([lost(0xc000_0000, 4), lost(0xc000_0000, 8, 3n << 32n)]).toEqual([77, 3 * 2 ** 32]);
  });

  test("a count that has no room in the sub-buffer is unknown, not read from the next one", () => {
    const made = make(0n);
    made.view.setUint32(8, 0xc000_0000 | 4080, true);
    expect(headerOf(made.view, layout)["lostEvents"]).toBe(unknownLoss);
  });

  test("countEvents() adds up what is known and counts what is not", () => {
    const known = make(0n).put(delta(1, 1)).put(0).commit(0xc000_0000);
    known.view.setUint32(24, 5, true);
    const unknown = make(0n).commit(0x8000_0000);
    const bytes = Buffer.concat([known.bytes, unknown.bytes, known.bytes, known.bytes.subarray(0, 100)]);
    expect(countEvents(bytes, layout)).toEqual({
      subBuffers: 3,
      events: 2,
      lostEvents: 10,
      unknownLosses: 1,
      damaged: 0,
    });
  });
});

describe("hostile bytes", () => {
  const damageOf = (made: Made): string | undefined => {
    const cursor = new SubBufferCursor(layout);
    cursor.reset(made.view, 0);
    while (cursor.next());
    return cursor.damage;
  };

  test("each kind of damage is named", () => {
    const tooLong = make(0n);
    tooLong.view.setUint32(8, 4081, true);
    expect(damageOf(tooLong)).toBe("commit beyond the sub-buffer");
    expect(damageOf(make().put(delta(3, 1)).put(0).commit())).toBe("event beyond the commit");
    expect(damageOf(make().put(delta(0, 1)).put(0xffff_fffe).commit())).toBe("event beyond the commit");
    expect(damageOf(make().put(delta(0, 1)).put(0xffff_fffd).commit())).toBe("event beyond the commit");
    expect(damageOf(make().put(delta(0, 1)).put(3).commit())).toBe("event shorter than its header");
    expect(damageOf(make().put(delta(29, 1)).put(0).commit())).toBe("event shorter than its header");
    expect(damageOf(make().put(delta(30, 1)).commit())).toBe("event beyond the commit");
  });

  const word = fc.oneof(
    fc.nat(0xffff_ffff),
    fc.tuple(fc.nat(31), fc.nat(40)).map(([type, by]) => delta(type, by)),
    fc.nat(64),
  );
  const subBuffer = fc.record({
    words: fc.array(word, { maxLength: 60 }),
    flags: fc.constantFrom(0, 0x8000_0000, 0xc000_0000),
    long4: fc.boolean(),
    little: fc.boolean(),
  });

  test("whatever the bytes are, walking ends and stays within the committed data", () => {
    const runs = inQuickForm(1_000, inLongForm(5_000, 1_000_000));
    fc.assert(
      fc.property(subBuffer, ({ words, flags, long4, little }) => {
        const longBytes = long4 ? 4 : 8;
        const made = make(0n, { longBytes, sizeBytes: 256, littleEndian: little });
        for (const each of words.slice(0, 58)) made.put(each);
        made.commit(flags);
        const cursor = new SubBufferCursor(layoutOf(256, longBytes, little));
        cursor.reset(made.view, 0);
        let last = 8 + longBytes;
        for (let events = 0; cursor.next(); events++) {
          expect(events).toBeLessThan(64);
          expect(cursor.dataOffset).toBeGreaterThanOrEqual(last + 4);
          last = cursor.dataOffset + cursor.dataBytes;
          expect(last).toBeLessThanOrEqual(256);
          expect(cursor.dataBytes).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: runs },
    );
  }, 300_000);

  test("whatever the bytes are, what is chosen is the first event and those of the wanted numbers, and damage is the same", () => {
    let [chosen, left] = [0, 0];
    const wanted = new Uint8Array(65_536).map((_, number) => number & 1);
    const event = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(40)).map(([type, by]) => delta(type, by));
    const mostlyEvents = fc.array(fc.oneof({ weight: 20, arbitrary: event }, word), { maxLength: 60 });
    fc.assert(
      fc.property(subBuffer, mostlyEvents, fc.nat(6), ({ flags, long4, little }, words, numberOffset) => {
        const longBytes = long4 ? 4 : 8;
        const made = make(0n, { longBytes, sizeBytes: 256, littleEndian: little });
        for (const each of words.slice(0, 58)) made.put(each);
        made.commit(flags);
        const walk = (choose: boolean): { events: number[][]; damage: unknown } => {
          const cursor = new SubBufferCursor(layoutOf(256, longBytes, little));
          if (choose) cursor.choose(wanted, numberOffset);
          const events: number[][] = [];
          for (cursor.reset(made.view, 0); cursor.next();)
            events.push([cursor.dataOffset, cursor.dataBytes, cursor.timestamp]);
          return { events, damage: cursor.damage };
        };
        const all = walk(false);
        const events = all.events.filter(([at = 0, bytes = 0], index) => {
          if (index === 0) return true;
          return bytes >= numberOffset + 2 && (made.view.getUint16(at + numberOffset, little) & 1) === 1;
        });
        expect(walk(true)).toEqual({ ...all, events });
        [chosen, left] = [chosen + events.length, left + all.events.length - events.length];
      }),
      { numRuns: inQuickForm(4_000, inLongForm(5_000, 200_000)) },
    );
    expect(Math.min(chosen, left)).toBeGreaterThan(500);
  }, 300_000);
});
