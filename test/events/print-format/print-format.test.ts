import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { type TestField, textOf } from "../../support/event-text.ts";
import { inQuickForm } from "../../support/quick.ts";

const int = (name: string, value: number | bigint): TestField => ({
  declaration: `int ${name}`,
  size: 4,
  signed: true,
  value,
});
const u64 = (name: string, value: number | bigint): TestField => ({ declaration: `u64 ${name}`, size: 8, value });
const u32 = (name: string, value: number | bigint): TestField => ({ declaration: `u32 ${name}`, size: 4, value });
/** The offset is that of the first byte behind these fields. */
const dataLoc = (name: string, type: string, offset: number, length: number): TestField => ({
  declaration: `__data_loc ${type}[] ${name}`,
  size: 4,
  value: (length << 16) | offset,
});

describe("numbers", () => {
  const one = (conversion: string, field: TestField): string | undefined => textOf(`"${conversion}", REC->v`, [field]);

  test("print as printf does", () => {
    expect(one("%d", int("v", -5))).toBe("-5");
    expect(one("%u", int("v", -1))).toBe("4294967295");
    expect(one("%x %%", int("v", 255))).toBe("ff %");
    expect(one("%#x", int("v", 255))).toBe("0xff");
    expect(one("%X", int("v", 0xabc))).toBe("ABC");
    expect(one("%o", int("v", 0o755))).toBe("755");
    expect(one("[%5d]", int("v", -42))).toBe("[  -42]");
    expect(one("[%-5d]", int("v", 42))).toBe("[42   ]");
    expect(one("[%05d]", int("v", -42))).toBe("[-0042]");
    expect(one("[%08x]", int("v", 0xabc))).toBe("[00000abc]");
    expect(one("[%.3d]", int("v", 7))).toBe("[007]");
    expect(one("%+d", int("v", 7))).toBe("+7");
    expect(one("%c", int("v", 65))).toBe("A");
    expect(one("%hhd", int("v", 255))).toBe("-1");
    expect(one("%hu", int("v", 0x1ffff))).toBe("65535");
  });

  test("have all their 64 bits", () => {
    expect(one("%llu", u64("v", 0xffff_ffff_ffff_ffffn))).toBe("18446744073709551615");
    expect(one("%lld", u64("v", -2n))).toBe("-2");
    expect(one("%lld", u64("v", -(2n ** 63n)))).toBe("-9223372036854775808");
    expect(one("%lx", u64("v", 0xffff_8000_0000_0001n))).toBe("ffff800000000001");
    expect(one("%lu", u64("v", 9_007_199_254_740_993n))).toBe("9007199254740993");
    expect(one("%d", u64("v", 0x1_0000_0003n))).toBe("3");
  });

  test("any u64 prints as BigInt prints it, in decimal and hex", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        expect(textOf('"%llu %lld %llx", REC->v, REC->v, REC->v', [u64("v", value)])).toBe(
          `${value} ${BigInt.asIntN(64, value)} ${value.toString(16)}`,
        );
      }),
    );
  });
});

describe("expressions", () => {
  const value = (expression: string, fields: TestField[] = []): string | undefined =>
    textOf(`"%llu", ${expression}`, fields);
  const mask = 2n ** 64n - 1n;

  test("follow C's precedence", () => {
    expect(value("1 + 2 * 3 - 4 / 2")).toBe("5");
    expect(value("1 | 2 ^ 3 & 6 << 1 == 4")).toBe(String(1 | (2 ^ (3 & Number(6 << 1 === 4)))));
    expect(value("(1 + 2) * 3 % 4")).toBe("1");
    expect(value("!0 && 0 || 7 > 3")).toBe("1");
    expect(value("0 ? 1 : 0 ? 2 : 3")).toBe("3");
    expect(value("~0UL")).toBe(String(mask));
    expect(value("0x10 + 010 + 'a'")).toBe(String(16 + 8 + 97));
  });

  test("know casts, sizeof, indices and the compiler's hints", () => {
    expect(value("(u8)REC->v", [u64("v", 0x1234n)])).toBe(String(0x34));
    expect(value("(unsigned short)(REC->v)", [u64("v", 0x12345n)])).toBe(String(0x2345));
    expect(value("((unsigned int) ((REC->v) >> 20))", [u32("v", 254 << 20)])).toBe("254");
    expect(value("sizeof(u32) + sizeof(long) + sizeof(void *) + sizeof(REC->v)", [u64("v", 0n)])).toBe("28");
    const list: TestField = {
      declaration: "unsigned long args[3]",
      size: 24,
      value: new Uint8Array(new BigUint64Array([7n, 8n, 2n ** 40n]).buffer),
    };
    expect(value("REC->args[2] + REC->args[0]", [list])).toBe(String(2n ** 40n + 7n));
    expect(
      value("__builtin_expect(!!((unsigned long)(void *)(REC->v) >= (unsigned long)-4095), 0) ? 1 : 2", [
        u64("v", mask),
      ]),
    ).toBe("1");
    expect(value("(REC)->v", [u64("v", 5n)])).toBe("5");
  });

  test("operators on two u64 give what C gives", () => {
    const operators: Record<string, (a: bigint, b: bigint) => bigint> = {
      "+": (a, b) => a + b,
      "-": (a, b) => a - b,
      "*": (a, b) => a * b,
      "/": (a, b) => (b === 0n ? 0n : a / b),
      "%": (a, b) => (b === 0n ? 0n : a % b),
      "&": (a, b) => a & b,
      "|": (a, b) => a | b,
      "^": (a, b) => a ^ b,
      "<<": (a, b) => a << (b & 63n),
      ">>": (a, b) => a >> (b & 63n),
      "<": (a, b) => BigInt(a < b),
      ">=": (a, b) => BigInt(a >= b),
      ">": (a, b) => BigInt(a > b),
      "<=": (a, b) => BigInt(a <= b),
      "==": (a, b) => BigInt(a === b),
      "!=": (a, b) => BigInt(a !== b),
      "||": (a, b) => BigInt(a !== 0n || b !== 0n),
      "&&": (a, b) => BigInt(a !== 0n && b !== 0n),
    };
    const operand = fc.oneof(
      fc.bigInt({ min: 0n, max: mask }),
      fc.bigInt({ min: 0n, max: 2n ** 32n }),
      fc.bigInt({ min: 0n, max: 70n }),
    );
    const limits = [0n, 31n, 32n, 2n ** 31n, 2n ** 32n, mask];
    for (const operator of Object.keys(operators)) {
      const pairs = limits.flatMap((a) => limits.map((b) => ({ a, b })));
      const fields = pairs.flatMap(({ a, b }, at) => [u64(`a${at}`, a), u64(`b${at}`, b)]);
      const print = `"${pairs.map(() => "%llu").join()}"${pairs.map((_, at) => `, REC->a${at} ${operator} REC->b${at}`).join("")}`;
      const expected = pairs.map(({ a, b }) => BigInt.asUintN(64, operators[operator]!(a, b)));
      expect(textOf(print, fields), operator).toBe(expected.join());
    }
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(operators)), operand, operand, (operator, a, b) => {
        const expected = BigInt.asUintN(64, operators[operator]!(a, b));
        expect(value(`REC->a ${operator} REC->b`, [u64("a", a), u64("b", b)])).toBe(String(expected));
        expect(value(`${a}ULL ${operator} ${b}ULL`)).toBe(String(expected));
      }),
      { numRuns: inQuickForm(75, 300) },
    );
  });
});

describe("texts", () => {
  test("strings come from arrays, from the end of the event and from the kernel's list", () => {
    expect(
      textOf('"%s|%6s|%-6s|%.2s", REC->c, REC->c, REC->c, REC->c', [
        { declaration: "char c[16]", size: 16, value: "bash" },
      ]),
    ).toBe("bash|  bash|bash  |ba");
    expect(textOf('"%s", __get_str(s)', [dataLoc("s", "char", 12, 4)], Buffer.from("abc\0"))).toBe("abc");
    expect(
      textOf(
        '"%s", __get_str(s)',
        [{ declaration: "__rel_loc char[] s", size: 4, value: 4 << 16 }],
        Buffer.from("abc\0"),
      ),
    ).toBe("abc");
    expect(textOf('"%s", REC->buf', [{ declaration: "char buf[]", size: 0 }], Buffer.from("tail\0"))).toBe("tail");
    expect(textOf('"%s", REC->p', [{ declaration: "const char * p", size: 8, value: 0xffff_ffff_8200_0010n }])).toBe(
      "a string\n",
    );
    expect(textOf('"%s", REC->v ? "yes" : "no"', [int("v", 0)])).toBe("no");
    expect(textOf('"%*s|", 5, "x"')).toBe("    x|");
  });

  test("flags and symbols are named by their tables", () => {
    const flags = '"%s", __print_flags(REC->v, "|", {0x1, "A"}, {0x2, "B" }, {1UL << 40, "C"})';
    expect(textOf(flags, [u64("v", 3n)])).toBe("A|B");
    expect(textOf(flags, [u64("v", (1n << 40n) | 0x10n)])).toBe("C|0x10");
    expect(textOf(flags, [u64("v", 0n)])).toBe("");
    const symbols =
      '"%s", __print_symbolic(REC->v, {0, "zero"}, {1, "one"}, { -1, "minus" }, {(1 << 3), "eight"}, { 9, ((void *)0) })';
    expect(textOf(symbols, [int("v", 1)])).toBe("one");
    expect(textOf(symbols, [int("v", 8)])).toBe("eight");
    expect(textOf(symbols, [int("v", 77)])).toBe("0x4d");
    const device = (8 << 20) | 17;
    expect(textOf('"%s", jbd2_dev_to_name(REC->dev)', [u32("dev", device)])).toBe("8:17");
    expect(textOf('"%s", __print_symbolic(REC->v, { HI_SOFTIRQ, "HI" }, { RCU_SOFTIRQ, "RCU" })', [int("v", 9)])).toBe(
      "RCU",
    );
  });

  test("pointers are symbols, addresses and dumps", () => {
    const ip: TestField = { declaration: "void * ip", size: 8, value: 0xffff_ffff_8100_1010n };
    expect(textOf('"%pS %ps", (void *)REC->ip, (void *)REC->ip', [ip])).toBe("first_function+0x10 first_function");
    expect(textOf('"%pF %pf", REC->ip, REC->ip', [ip])).toBe("first_function+0x10 first_function");
    expect(textOf('"%pS", REC->ip', [{ ...ip, value: 0x1234n }])).toBe("0x1234");
    expect(textOf('"%p", REC->ip', [{ ...ip, value: 0n }])).toBe("(nil)");
    expect(textOf('"%p", REC->ip', [ip])).toBe("0xffffffff81001010");
    expect(
      textOf('"%pM", REC->m', [
        { declaration: "u8 m[6]", size: 6, value: new Uint8Array([1, 2, 3, 0xaa, 0xbb, 0xcc]) },
      ]),
    ).toBe("01:02:03:aa:bb:cc");
    const mac: TestField = { declaration: "u8 m[6]", size: 6, value: new Uint8Array([1, 2, 3, 0xaa, 0xbb, 0xcc]) };
    expect(textOf('"%pMR %pMF %pm %pmR", REC->m, REC->m, REC->m, REC->m', [mac])).toBe(
      "cc:bb:aa:03:02:01 01-02-03-aa-bb-cc 010203aabbcc ccbbaa030201",
    );
    const uuid: TestField = {
      declaration: "u8 u[16]",
      size: 16,
      value: Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index),
    };
    expect(textOf('"%pUb %pUB", REC->u, REC->u', [uuid])).toBe(
      "a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf A0A1A2A3-A4A5-A6A7-A8A9-AAABACADAEAF",
    );
    expect(textOf('"%pUl %pUL", REC->u, REC->u', [uuid])).toBe(
      "a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf A3A2A1A0-A5A4-A7A6-A8A9-AAABACADAEAF",
    );
    expect(
      textOf('"%pI4", REC->a', [{ declaration: "__u8 a[4]", size: 4, value: new Uint8Array([127, 0, 0, 1]) }]),
    ).toBe("127.0.0.1");
    const six = new Uint8Array(16);
    six.set([0x20, 0x01, 0x0d, 0xb8]);
    six[15] = 1;
    expect(textOf('"%pI6c %pI6", REC->a, REC->a', [{ declaration: "__u8 a[16]", size: 16, value: six }])).toBe(
      "2001:db8::1 2001:0db8:0000:0000:0000:0000:0000:0001",
    );
    const socket = new Uint8Array(28);
    socket.set([2, 0, 0x1f, 0x90, 10, 0, 0, 9]);
    expect(textOf('"%pISpc", REC->a', [{ declaration: "__u8 a[28]", size: 28, value: socket }])).toBe("10.0.0.9:8080");
    expect(
      textOf('"%s", __print_hex(REC->m, 3)', [
        { declaration: "u8 m[6]", size: 6, value: new Uint8Array([1, 0xff, 3]) },
      ]),
    ).toBe("01 ff 03");
    expect(
      textOf(
        '"%s", __print_array(__get_dynamic_array(l), 2, 2)',
        [dataLoc("l", "u16", 12, 4)],
        new Uint8Array([1, 0, 255, 0]),
      ),
    ).toBe("{0x1,0xff}");
    expect(
      textOf(
        '"%s", __get_cpumask(m)',
        [dataLoc("m", "unsigned long", 12, 8)],
        new Uint8Array([0b1011_0111, 0, 0, 0, 0, 0, 0, 1]),
      ),
    ).toBe("0-2,4-5,7,56");
    expect(
      textOf(
        '"%s", __get_bitmask(m)',
        [dataLoc("m", "unsigned long", 12, 8)],
        new Uint8Array([1, 2, 0, 0, 0, 0, 0, 0]),
      ),
    ).toBe("00000000,00000201");
  });

  test("begin behind an array's start where a print fmt adds to its address", () => {
    const bytes: TestField = { declaration: "u8 m[6]", size: 6, value: new Uint8Array([1, 2, 3, 4, 5, 6]) };
    expect(textOf('"%4ph|%4ph|%4ph", REC->m, REC->m + 3, 5 + REC->m', [bytes])).toBe("01 02 03 04|04 05 06|06");
    expect(textOf('"%2ph", &REC->m[2]', [bytes])).toBe("03 04");
    expect(textOf('"%2ph", (u16 *)REC->m + 1', [bytes])).toBe("03 04");
    expect(textOf('"%2ph", (void *)((unsigned long)REC->m + 1)', [bytes])).toBe("02 03");
    expect(textOf('"<%9ph%9ph%9ph>", REC->m + 6, REC->m + 4000, REC->m - 1', [bytes])).toBe("<>");
    const words = new Uint8Array([1, 0, 2, 0, 3, 0]);
    expect(textOf('"%2ph", __get_dynamic_array(l) + 1', [dataLoc("l", "u16", 12, 6)], words)).toBe("02 00");
  });

  test("places beyond the event are empty, not read", () => {
    expect(textOf('"<%s>", __get_str(s)', [dataLoc("s", "char", 60_000, 100)])).toBe("<>");
    expect(textOf('"<%s>", __get_str(s)', [dataLoc("s", "char", 12, 100)], Buffer.from("abc"))).toBe("<>");
    expect(textOf('"<%d>", REC->a[500]', [{ declaration: "int a[2]", size: 8, value: 1 }])).toBe("<0>");
    expect(textOf('"%s", __print_hex(REC->m, 4000000000)', [{ declaration: "u8 m[2]", size: 2, value: 0 }])).toBe(
      "00 00",
    );
  });

  test("what is not known makes the whole print fmt unusable", () => {
    for (const print of [
      '"%s", no_such_function(1)',
      '"%d"',
      "",
      '"%d", REC->missing',
      '"%d", ({ int x; })',
      '"%d", 1 +',
      '"%y", 1',
      '"%s", 1 + 1',
      `"%d", ${"(".repeat(5_000)}1`,
    ]) {
      expect(textOf(print)).toBeUndefined();
    }
  });
});
