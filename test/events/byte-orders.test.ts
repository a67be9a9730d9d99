import { expect, test } from "bun:test";
import { showEvent } from "../support/one-event.ts";

const bigEndian = { littleEndian: false, system: "test", name: "test" } as const;

test("a mask of a big-endian machine has the bits of each long, the first long first", () => {
  const event = {
    ...bigEndian,
    fields: ["field:__data_loc unsigned long[] m;\toffset:8;\tsize:4;"],
    print: '"%s %s", __get_cpumask(m), __get_bitmask(m)',
  };
  const place = { offset: 8, size: 4, value: (16 << 16) | 16 };
  const wide = [place, { offset: 16, size: 8, value: 0b101 }, { offset: 24, size: 8, value: 0b10 }];
  expect(showEvent({ ...event, longBytes: 8, values: wide, bytes: 32 }).text).toBe(
    "0,2,65 00000000,00000002,00000000,00000005",
  );
  const narrow = [1, 2, 3, 4].map((bit, index) => ({ offset: 16 + 4 * index, size: 4, value: 1 << bit }));
  expect(showEvent({ ...event, longBytes: 4, values: [place, ...narrow], bytes: 32 }).text).toBe(
    "1,34,67,100 00000010,00000008,00000004,00000002",
  );
});

test("a socket's family is in the machine's order, its port in the network's", () => {
  const event = {
    fields: ["field:__u8 a[16];\toffset:8;\tsize:16;"],
    print: '"%pISpc", REC->a',
    bytes: 24,
    longBytes: 8,
  } as const;
  const port = { offset: 10, size: 0, value: "\x1f\x90\x0a\0\0\x09" };
  for (const littleEndian of [true, false]) {
    const values = [{ offset: 8, size: 2, value: 2 }, port];
    expect(showEvent({ ...bigEndian, ...event, littleEndian, values }).text).toBe("10.0.0.9:8080");
  }
});

test("a synthetic event's string is a place of 8 bytes, of which the first four count", () => {
  for (const littleEndian of [true, false]) {
    const shown = showEvent({
      ...bigEndian,
      longBytes: 8,
      littleEndian,
      fields: ["field:__data_loc char[] dyn;\toffset:8;\tsize:8;", "field:u64 lat;\toffset:16;\tsize:8;"],
      print: '"lat=%llu dyn=%.256s", REC->lat, __get_str(dyn)',
      values: [
        { offset: 8, size: 4, value: (8 << 16) | 24 },
        { offset: 16, size: 8, value: 2021 },
        { offset: 24, size: 0, value: "a task\0" },
      ],
      bytes: 32,
    });
    expect(shown).toEqual({ text: "lat=2021 dyn=a task", fields: { dyn: "a task", lat: 2021 } });
  }
});

test("a marker of a kernel before 4.15 is text, up to the event's end", () => {
  const shown = showEvent({
    longBytes: 8,
    littleEndian: true,
    system: "ftrace",
    name: "print",
    fields: ["field:unsigned long ip;\toffset:8;\tsize:8;", "field:char buf;\toffset:16;\tsize:0;"],
    print: '"%ps: %s", (void *)REC->ip, REC->buf',
    values: [
      { offset: 8, size: 8, value: 16 },
      { offset: 16, size: 0, value: "caf\xc3\xa9 \xff" },
    ],
    bytes: 24,
  });
  expect(shown.fields).toEqual({ ip: 16, buf: "caf\u00e9 \u00ff" });
  expect(shown.text).toStartWith("0x10: caf\u00e9 ");
});
