import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { PrintkFormats } from "../../src/events/printk-formats.ts";
import { SymbolTable } from "../../src/events/symbols.ts";
import { TaskNames } from "../../src/events/task-names.ts";

const table = (text: string): SymbolTable => new SymbolTable({ kallsyms: Buffer.from(text, "latin1") });
const halves = (address: bigint): [number, number] => [
  Number(BigInt.asIntN(32, address >> 32n)),
  Number(BigInt.asIntN(32, address)),
];

describe("kallsyms", () => {
  const symbols = table(
    [
      "ffffffff81000000 T _text",
      "ffffffff81002000 t later",
      "ffffffff81001000 t first",
      "ffffffffc0000000 t in_module\t[a_module]",
      "ffffffffc0001000 t the_last\t[a_module]",
      "ffffffff81003000 A absolute",
      "ffffffff81003000 a local_absolute",
      "ffffffff81003000 t $x.mapping",
    ].join("\n"),
  );
  const at = (address: bigint): string => {
    const index = symbols.find(...halves(address));
    return index < 0 ? "nothing" : `${symbols.name(index)}+${symbols.offsetIn(index, ...halves(address))}`;
  };

  test("of machines that told the same text are one table, and each finds its own names", () => {
    const lines = Array.from({ length: 3 }, (_, index) => `ffffffff8100${index}000 T same_${index}`).join("\n");
    const [first, second, other] = [table(lines), table(lines), table(`${lines}\nffffffff81009000 T more`)];
    expect([first, second, other].map(({ size }) => size)).toEqual([3, 3, 4]);
    expect(second.isOf(Buffer.from(lines, "latin1"))).toBe(true);
    expect(other.isOf(Buffer.from(lines, "latin1"))).toBe(false);
    expect(second.addressOf("same_2")).toBe(0xffff_ffff_8100_2000n);
    expect(first.addressOf("more")).toBeUndefined();
    expect(other.addressOf("more")).toBe(0xffff_ffff_8100_9000n);
  });

  test("gives the symbol at or before an address, whatever the order of the lines", () => {
    expect(at(0xffff_ffff_8100_1000n)).toBe("first+0");
    expect(at(0xffff_ffff_8100_1fffn)).toBe("first+4095");
    expect(at(0xffff_ffff_8100_2001n)).toBe("later+1");
    expect(at(0xffff_ffff_c000_0010n)).toBe("in_module+16");
    expect(at(0xffff_ffff_c000_1000n)).toBe("the_last+0");
    // How long the last one is nobody knows.
    expect(at(0xffff_ffff_c000_1001n)).toBe("nothing");
    expect(at(0xffff_ffff_80ff_ffffn)).toBe("nothing");
    expect(at(0x1234n)).toBe("nothing");
  });

  test("leaves out absolute and mapping symbols, and knows addresses by name", () => {
    expect(symbols.size).toBe(5);
    expect(symbols.addressOf("later")).toBe(0xffff_ffff_8100_2000n);
    expect(symbols.addressOf("missing")).toBeUndefined();
  });

  test("of one address the later line comes first, also where other lines are not in order", () => {
    const line = (address: number, name: string): string => `ffffffff8100${address}000 t ${name}`;
    const inOrder = [line(1, "a"), line(1, "b"), line(2, "c"), line(3, "d"), line(3, "e"), line(3, "f")];
    const [a, b, c, ...others] = inOrder;
    for (const lines of [inOrder, [c, ...others, a, b], [a, b, ...others, c]]) {
      const both = table(lines.join("\n"));
      expect(Array.from({ length: both.size }, (_, index) => both.name(index)).join("")).toBe("bacfed");
      expect([1, 2].map((index) => both.sameName(0, index))).toEqual([false, false]);
    }
  });

  test("any text gives a table, and any address an answer", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (text, address) => {
        const any = table(text);
        expect(any.find(...halves(address))).toBeLessThan(Math.max(1, any.size));
      }),
    );
  });
});

test("printk_formats gives texts by address, with their newlines", () => {
  const formats = new PrintkFormats({
    printkFormats: '0xffffffff82000010 : "Start\\n"\n0xffff800012345678 : "say \\"x\\""\nno line\n',
  });
  const text = (address: bigint): string | undefined => {
    const found = formats.find(...halves(address));
    return found?.text;
  };
  expect(text(0xffff_ffff_8200_0010n)).toBe("Start\n");
  expect(text(0xffff_8000_1234_5678n)).toBe('say "x"');
  expect(text(0x8200_0010n)).toBeUndefined();
});

test("task names are those recorded; others are learnt once, and pid 0 is idle", () => {
  const names = new TaskNames("12 bash\n  34 a b c\nnonsense\n");
  const learn = (pid: number, name: string): void => names.learn(pid, Buffer.from(`${name}\0rest`), 0, 16);
  expect([names.text(0), names.text(12), names.text(34), names.text(56)]).toEqual(["<idle>", "bash", "a b c", "<...>"]);
  learn(56, "new");
  learn(56, "newer");
  learn(12, "other");
  learn(0, "swapper");
  expect([names.text(0), names.text(12), names.text(56)]).toEqual(["<idle>", "bash", "new"]);
});
