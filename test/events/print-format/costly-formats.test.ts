/** Print fmts that would cost more than they are worth: each prints, or is refused, in no time and little memory. */
import { describe, expect, test } from "bun:test";
import { ByteWriter } from "../../../src/base/byte-writer.ts";
import { EventCatalog } from "../../../src/events/event-catalog.ts";
import { EventRecord } from "../../../src/events/event-record.ts";
import { parseEventFormat } from "../../../src/events/event-format.ts";
import { eventLimits } from "../../../src/events/limits.ts";
import { SymbolTable } from "../../../src/events/symbols.ts";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";
import { commonFields } from "../../support/common-fields.ts";
import { textOf, type TestField } from "../../support/event-text.ts";
import { cpuMsOf } from "../../support/timing.ts";

const a: TestField = { declaration: "unsigned long a", size: 8, value: 0x0123_4567_89ab_cdefn };
const nested = (depth: number, wrap: (inner: string) => string): string =>
  Array.from({ length: depth }).reduce<string>((inner) => wrap(inner), "REC->a");
/** Of CPU time, on a slow machine; each took minutes, or for ever. */
const mostMs = 10_000;

function timed<T>(run: () => T): T {
  const results: T[] = [];
  expect(cpuMsOf(() => results.push(run()))).toBeLessThan(mostMs);
  return results[0] as T;
}

describe("a number", () => {
  const value = (expression: string): string | undefined => timed(() => textOf(`"%lu", ${expression}`, [a]));

  test("is computed once per event, however its operators nest", () => {
    expect(value(`REC->a${"/3".repeat(26)}`)).toBe(String(0x0123_4567_89ab_cdefn / 3n ** 26n));
    expect(value(`REC->a${"*3".repeat(60)}`)).toBe(String(BigInt.asUintN(64, 0x0123_4567_89ab_cdefn * 3n ** 60n)));
    expect(value(`REC->a${"+1".repeat(900)}`)).toBe(String(0x0123_4567_89ab_cdefn + 900n));
    expect(value(`REC->a${"%7".repeat(40)}`)).toBe(String(0x0123_4567_89ab_cdefn % 7n));
    expect(value(nested(32, (inner) => `(1<<${inner})`))).toBeDefined();
    expect(value(nested(32, (inner) => `(REC->a>>${inner})`))).toBeDefined();
    expect(value(nested(32, (inner) => `(REC->a>${inner})`))).toBeDefined();
    expect(value(nested(30, (inner) => `(${inner} ? 1 : 2)`))).toBe("1");
    expect(value(nested(30, (inner) => `(${inner} ?: 1)`))).toBe(String(0x0123_4567_89ab_cdefn));
    expect(value(nested(45, (inner) => `-${inner}`))).toBe(String(BigInt.asUintN(64, -0x0123_4567_89ab_cdefn)));
    expect(value(nested(30, (inner) => `((1 ? 1 : 2) ? ${inner} : 1)`))).toBe(String(0x0123_4567_89ab_cdefn));
    const bytes: TestField = { declaration: "u8 b[8]", size: 8, value: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 0]) };
    const list = nested(30, (inner) => `REC->b[${inner} & 7]`);
    expect(timed(() => textOf(`"%lu", ${list}`, [a, bytes]))).toBeDefined();
  });

  test("of a second event is its own", () => {
    const print = `"%lu", REC->a${"/3".repeat(20)}`;
    const texts = eventsOf("x", `\tfield:unsigned long a;\toffset:8;\tsize:8;\tsigned:0;\n\nprint fmt: ${print}`, [
      3n ** 20n * 5n,
      3n ** 20n * 7n,
    ]);
    expect(texts).toBe("57");
  });

  test("of more parts than any kernel's is refused, and so are other excesses", () => {
    const refused = [
      `REC->a${"+1".repeat(100_000)}`,
      nested(1_000, (inner) => `(${inner})`),
      `REC->a${"[".repeat(50_000)}`,
      `${"(u64)".repeat(200)}REC->a`,
      `(${"a ".repeat(100_000)}+1)`,
      Array.from({ length: 3_000 }, () => "(a b c d e f g h i j k l m n o p+1)").join("+"),
      Array.from({ length: 800 }, () => `sizeof(${"a ".repeat(50)}+1)`).join("+"),
      `"${"\\\\".repeat(100_000)}`,
      `'${"\\\\".repeat(100_000)}`,
    ];
    for (const expression of refused)
      expect([expression.slice(0, 20), value(expression)]).toEqual([expression.slice(0, 20), undefined]);
    expect(timed(() => textOf(`"${"%4096d".repeat(20_000)}"${", 1".repeat(20_000)}`))).toBeUndefined();
    expect(timed(() => textOf(`"${"%*d".repeat(12_000)}"${", 2147483647, 1".repeat(12_000)}`))).toBeUndefined();
    const pairs = (count: number): string =>
      Array.from({ length: count }, (_, index) => `{ ${index}, "f" }`).join(", ");
    expect(timed(() => textOf(`"%s", __print_flags(REC->a, "|", ${pairs(12_000)})`, [a]))).toBeUndefined();
    expect(timed(() => textOf(`"%s", __print_symbolic(REC->a, ${pairs(4_000)})`, [a]))).toBe("0x123456789abcdef");
  });

  test("is cut to the longest line, not printed beyond it", () => {
    const text = timed(() => textOf(`"${"%4096d".repeat(250)}"${", 1".repeat(250)}`));
    expect(text?.length).toBeLessThanOrEqual(1024 * 1024);
  });
});

test("4,000 names are found among 300,000 symbols at once", () => {
  const name = (kind: string, index: number): string => `${kind}${10_000_000 + index}`;
  const lines = Array.from(
    { length: 300_000 },
    (_, index) => `${(0xffffffff81000000n + BigInt(index * 16)).toString(16)} t ${name("abcdefg", index)}\n`,
  );
  const symbols = new SymbolTable({ kallsyms: Buffer.from(lines.join("")) });
  expect(symbols.size).toBe(300_000);
  const found = (kind: string): (bigint | undefined)[] =>
    timed(() => Array.from({ length: 4_000 }, (_, index) => symbols.addressOf(name(kind, index * 70))));
  expect(found("zzzzzzz").filter((address) => address !== undefined)).toEqual([]);
  expect(found("abcdefg")[3_999]).toBe(0xffffffff81000000n + 3_999n * 70n * 16n);
  const equal = new SymbolTable({ kallsyms: Buffer.from("ffffffff81000000 t same\n".repeat(300_000)) });
  timed(() => expect(equal.addressOf("same")).toBe(0xffffffff81000000n));
  timed(() => expect(equal.addressOf("other")).toBeUndefined());
}, 300_000);

test("a text without a symbol has none, whatever its lines", () => {
  const bytes = 16 * 1024 * 1024;
  const before = process.memoryUsage.rss();
  expect(timed(() => new SymbolTable({ kallsyms: Buffer.alloc(bytes, "\n") }).size)).toBe(0);
  expect(process.memoryUsage.rss() - before).toBeLessThan(2 * bytes);
});

describe("a format", () => {
  test("is read in a time that its length tells", () => {
    const lines = [
      `\tfield:${" ".repeat(200_000)}x\n`,
      `\tfield:int a;${" ".repeat(100_000)}\toffset:${" ".repeat(100_000)}8;\tsize:4;\tsigned:1;\n`,
      `\tfield:${"a ".repeat(190)}x;\toffset:8;\tsize:4;\tsigned:1;\n`.repeat(250),
      `\tfield:u8 x${"[".repeat(390)};\toffset:8;\tsize:4;\tsigned:1;\n`.repeat(250),
      `\tfield:u8 x${"[]".repeat(190)};\toffset:8;\tsize:4;\tsigned:1;\n`.repeat(250),
      ";".repeat(200_000),
      "field:".repeat(40_000),
    ];
    for (const line of lines)
      timed(() => parseEventFormat("x", `name: y\nID: 5\nformat:\n${commonFields}${line}\nprint fmt: "x"\n`));
  });

  test("whose element type is a word of the language has no size of it", () => {
    const format = parseEventFormat(
      "x",
      `name: y\nID: 5\nformat:\n${commonFields}\tfield:constructor a[];\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: "x"\n`,
    );
    expect(format?.fields.at(-1)?.elementSize).toBe(8);
  });
});

/** The texts of events of one format, one after the other. */
function eventsOf(system: string, rest: string, values: readonly bigint[], common = commonFields): string {
  const catalog = new EventCatalog({
    layout: layoutOf(4096, 8),
    formats: [{ system, text: `name: y\nID: 5\nformat:\n${common}\n${rest}\n` }],
    cpus: 1,
    uname: "",
    cpuStats: [],
  });
  let text = "";
  const out = new ByteWriter((bytes) => (text += Buffer.from(bytes).toString("latin1")));
  const record = new EventRecord();
  for (const value of values) {
    const view = new DataView(new ArrayBuffer(16));
    view.setUint16(0, 5, true);
    view.setBigUint64(8, value, true);
    record.attach(view);
    record.size = 16;
    catalog.kindOf(record)?.print(record, out);
  }
  out.flush();
  return text;
}

test("an event is never read beyond its end", () => {
  const far = "\tfield:__data_loc u32[] b;\toffset:99999;\tsize:4;\tsigned:0;\n";
  expect(eventsOf("ftrace", `${far}\nprint fmt: "%d", REC->b`, [1n])).toStartWith("[FAILED TO PARSE]");
  const cut = "\tfield:u8 b[6];\toffset:9000;\tsize:6;\tsigned:0;\n";
  expect(eventsOf("ftrace", `${cut}\nprint fmt: "%pM", REC->b`, [1n])).toBe("INVALIDMAC");
  const four = "\tfield:u8 b[4];\toffset:9000;\tsize:4;\tsigned:0;\n";
  expect(eventsOf("ftrace", `${four}\nprint fmt: "%d %pI4 %s", REC->b, REC->b, REC->b`, [1n])).toBe("0 INVALIDIPv4 ");
  const type = commonFields.replace("offset:0;", "offset:60000;");
  expect(eventsOf("x", `\nprint fmt: "x"`, [1n], type)).toBe("");
});

test("the formats of a recording together have a bound, which is told", () => {
  const fields = Array.from(
    { length: 200 },
    (_, index) => `\tfield:u8 f${index};\toffset:8;\tsize:1;\tsigned:0;\n`,
  ).join("");
  const formats = Array.from({ length: 1_000 }, (_, id) => ({
    system: "x",
    text: `name: y${id}\nID: ${id}\nformat:\n${commonFields}${fields}\nprint fmt: "x"\n`,
  }));
  const catalog = new EventCatalog({
    layout: layoutOf(4096, 8),
    formats,
    cpus: 1,
    uname: "",
    cpuStats: [],
  });
  const known = formats.filter((_, id) => catalog.find("x", `y${id}`) !== undefined).length;
  expect(known).toBe(Math.floor(eventLimits.recordingFields / 204));
});
