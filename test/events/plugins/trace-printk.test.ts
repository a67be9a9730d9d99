import { describe, expect, test } from "bun:test";
import { type Machine, showEvent, type Value } from "../../support/one-event.ts";

const machines: (Machine & { name: string })[] = [
  { name: "64 bit, little-endian", longBytes: 8, littleEndian: true },
  { name: "32 bit, little-endian", longBytes: 4, littleEndian: true },
  { name: "64 bit, big-endian", longBytes: 8, littleEndian: false },
  { name: "32 bit, big-endian", longBytes: 4, littleEndian: false },
];

describe.each(machines.map((machine) => [machine.name, machine] as const))("trace_printk() of %s", (_, machine) => {
  const { longBytes } = machine;
  const start = 8 + 2 * longBytes;

  /** `packed`: as vbin_printf() packs the arguments, offsets counted from the first. */
  function show(format: string, packed: readonly Value[], bytes = 64): { text: string; fields: unknown } {
    return showEvent({
      ...machine,
      system: "ftrace",
      name: "bprint",
      fields: [
        `field:unsigned long ip;\toffset:8;\tsize:${longBytes};`,
        `field:const char * fmt;\toffset:${8 + longBytes};\tsize:${longBytes};`,
        `field:u32 buf;\toffset:${start};\tsize:0;`,
      ],
      print: '"%ps: %s", (void *)REC->ip, REC->fmt',
      values: [
        { offset: 8, size: longBytes, value: 0xc03e_6380 },
        { offset: 8 + longBytes, size: longBytes, value: 0xc070_fb28 },
        ...packed.map((value) => ({ ...value, offset: start + value.offset })),
      ],
      bytes: start + bytes,
      printkFormats: `0xc070fb28 : "${format}"\n`,
    });
  }
  const shown = (format: string, packed: readonly Value[]): string =>
    show(format, packed).text.replace(/^0xc03e6380: /, "");

  test("longs have the size of the machine's", () => {
    const values = [
      { offset: 0, size: longBytes, value: 1_900_000 },
      { offset: longBytes, size: longBytes, value: 1259 },
      { offset: 2 * longBytes, size: longBytes, value: -3 },
    ];
    expect(show("freq=%lu power=%zu sum=%ld", values).text).toBe("0xc03e6380: freq=1900000 power=1259 sum=-3");
  });

  test("arguments are aligned to their size, but to 4 bytes at most; a char is one byte", () => {
    expect(
      shown("%c%hhd %hd %d %lld", [
        { offset: 0, size: 1, value: 65 },
        { offset: 1, size: 1, value: -1 },
        { offset: 2, size: 2, value: -300 },
        { offset: 4, size: 4, value: 70_000 },
        { offset: 8, size: 8, value: -(2n ** 40n) },
      ]),
    ).toBe("A-1 -300 70000 -1099511627776");
  });

  test("strings are in between and keep their width; columns may be an argument", () => {
    expect(
      shown("[%5s][%-4s][%*d]", [
        { offset: 0, size: 0, value: "abc\0de\0" },
        { offset: 8, size: 4, value: 6 },
        { offset: 12, size: 4, value: 42 },
      ]),
    ).toBe("[  abc][de  ][    42]");
  });

  test("what %p named was printed by the kernel; an old kernel left the address", () => {
    expect(
      shown("ip %pI4 and %*ph.", [
        { offset: 0, size: 0, value: "10.0.0.9\0" },
        { offset: 12, size: 4, value: 2 },
        { offset: 16, size: 0, value: "0a 0b\0" },
      ]),
    ).toBe("ip 10.0.0.9 and 0a 0b.");
    expect(shown("ip %pI4", [{ offset: 0, size: longBytes, value: 0x0102_0304 }])).toBe("ip 0x1020304");
    expect(shown("fn %ps", [{ offset: 0, size: longBytes, value: 0xc010_2030 }])).toBe("fn 0xc0102030");
  });

  test("arguments beyond the event's end are 0, not read", () => {
    expect(show("%d %lld <%s>", [], 4).text).toBe("0xc03e6380: 0 0 <>");
  });

  test("--json has the text, without its last newline", () => {
    const ip = 0xc03e_6380;
    expect(show('say \\"%d\\"\\n', [{ offset: 0, size: 4, value: 5 }]).fields).toEqual({
      ip,
      fmt: "0xc070fb28",
      buf: 'say "5"',
    });
  });
});

test("trace_puts() has its string in --json, or its address where the recording lacks it", () => {
  const fields = (printkFormats: string): unknown =>
    showEvent({
      longBytes: 8,
      littleEndian: true,
      system: "ftrace",
      name: "bputs",
      fields: ["field:unsigned long ip;\toffset:8;\tsize:8;", "field:const char * str;\toffset:16;\tsize:8;"],
      print: '"%ps: %s", (void *)REC->ip, REC->str',
      values: [
        { offset: 8, size: 8, value: 1 },
        { offset: 16, size: 8, value: 0xffff_ffff_8200_0010n },
      ],
      bytes: 24,
      printkFormats,
    }).fields;
  expect(fields('0xffffffff82000010 : "a caf\xc3\xa9\\n"\n')).toEqual({ ip: 1, str: "a caf\u00e9" });
  expect(fields("")).toEqual({ ip: 1, str: "0xffffffff82000010" });
});
