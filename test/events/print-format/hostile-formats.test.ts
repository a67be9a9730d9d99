import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { ByteWriter } from "../../../src/base/byte-writer.ts";
import { parseEventFormat } from "../../../src/events/event-format.ts";
import { EventRecord } from "../../../src/events/event-record.ts";
import { fallbackPrinter } from "../../../src/events/field-text.ts";
import { compilePrintFormat } from "../../../src/events/print-format/compile.ts";
import type { CompileContext } from "../../../src/events/print-format/context.ts";
import { PrintkFormats } from "../../../src/events/printk-formats.ts";
import { SymbolTable } from "../../../src/events/symbols.ts";
import { commonFields } from "../../support/common-fields.ts";
import { testUnless } from "../../support/test-unless.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";

describe("hostile formats", () => {
  const runs = inQuickForm(300, inLongForm(1_500, 50_000));
  const context = (text: string): CompileContext | undefined => {
    const format = parseEventFormat("x", text);
    return (
      format && {
        format,
        longBytes: 8,
        littleEndian: true,
        symbols: new SymbolTable({}),
        printk: new PrintkFormats({}),
      }
    );
  };
  const record = new EventRecord();
  const out = new ByteWriter(() => {});
  let printed = 0;
  /** Anything but an exception, and only within the event. */
  const tryOut = (text: string, bytes: Uint8Array): void => {
    const found = context(text);
    if (found === undefined) return;
    record.attach(new DataView(bytes.slice().buffer));
    record.at = 8;
    record.size = bytes.length - 16;
    if (record.size >= found.format.minBytes) {
      const print = compilePrintFormat(found);
      if (print !== undefined) printed++;
      print?.(record, out);
    }
    fallbackPrinter(found.format, found)(record, out);
    out.flush();
  };

  test("pieces of C in any order, and C of any shape, never throw", () => {
    printed = 0;
    const piece = fc.constantFrom(
      "REC->a",
      "REC->s",
      "REC->l",
      "__get_str(s)",
      "__print_flags(",
      "__print_symbolic(",
      "{",
      "}",
      "(",
      ")",
      ",",
      "?",
      ":",
      "+",
      "-",
      "*",
      "<<",
      "[",
      "]",
      "1",
      "0xffffffffffffffff",
      '"text"',
      "(u8)",
      "(void *)",
      "sizeof(",
      "__get_dynamic_array(l)",
      "__get_dynamic_array_len(l)",
      "__print_hex(",
      "__print_array(",
      "~",
      "!",
      "'c'",
    );
    const fields = `${commonFields}\n\tfield:u64 a;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:__data_loc char[] s;\toffset:16;\tsize:4;\tsigned:0;\n\tfield:__rel_loc u32[] l;\toffset:20;\tsize:4;\tsigned:0;\n`;
    // Almost none of these is C; expressions are, and run.
    const { expression } = fc.letrec<{ expression: string }>((tie) => ({
      expression: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.constantFrom("REC->a", "REC->s", "REC->l", "1", "0xffffffffffffffff", "'c'", '"text"', "sizeof(REC->a)"),
        fc.constantFrom("__get_str(s)", "__get_dynamic_array_len(l)", "__get_dynamic_array(l)", "__get_rel_str(l)"),
        fc
          .tuple(
            tie("expression"),
            fc.constantFrom("+", "-", "*", "/", "%", "<<", ">>", "&&", "==", "^"),
            tie("expression"),
          )
          .map((parts) => `(${parts.join(" ")})`),
        tie("expression").map((inner) => `~(u8)${inner}`),
        fc.tuple(tie("expression"), tie("expression")).map(([test, other]) => `(${test} ? ${other} : ${test})`),
        fc.tuple(tie("expression"), tie("expression")).map(([bytes, count]) => `__print_hex(${bytes}, ${count})`),
        fc.tuple(tie("expression"), tie("expression")).map(([list, count]) => `__print_array(${list}, ${count}, 2)`),
        tie("expression").map((flags) => `__print_flags(${flags}, "|", { 1, "A" }, { ~0, "B" })`),
        tie("expression").map((value) => `__print_symbolic(${value}, { 1, "A" }, { -1, "B" })`),
      ),
    }));
    const one = fc.oneof(fc.constantFrom("%d", "%s", "%pS", "%pI6c", "%*ph", "%-9s", "%llx"), fc.constant("%s"));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.tuple(
            fc.constantFrom("%d %s", "%s %pS"),
            fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(" ")),
          ),
          fc.tuple(one, expression),
        ),
        fc.uint8Array({ minLength: 40, maxLength: 120 }),
        ([conversions, argument], bytes) => {
          tryOut(`name: x\nID: 1\nformat:\n${fields}\nprint fmt: "${conversions}", ${argument}\n`, bytes);
        },
      ),
      { numRuns: runs },
    );
    expect(printed).toBeGreaterThan(runs / 10);
  }, 300_000);

  const base = "/sys/kernel/tracing/events";
  const noFormats = reasonWithoutTracefs() ?? (existsSync(`${base}/sched`) ? undefined : "no event formats");
  const changed = "real formats with bytes changed, and real formats on any bytes, never throw";
  testUnless(
    noFormats,
    changed,
    () => {
      printed = 0;
      const systems = ["sched", "kmem", "tcp", "ext4", "irq", "block", "syscalls"].filter((system) =>
        existsSync(`${base}/${system}`),
      );
      const texts = systems.flatMap((system) =>
        readdirSync(`${base}/${system}`)
          .filter((event) => existsSync(`${base}/${system}/${event}/format`))
          .slice(0, 40)
          .map((event) => readFileSync(`${base}/${system}/${event}/format`, "latin1")),
      );
      expect(texts.length).toBeGreaterThan(20);
      const change = fc.tuple(fc.nat(5_000), fc.integer({ min: 32, max: 126 }));
      fc.assert(
        fc.property(
          fc.constantFrom(...texts),
          fc.array(change, { maxLength: 4 }),
          fc.uint8Array({ minLength: 40, maxLength: 200 }),
          (text, changes, bytes) => {
            const chars = text.split("");
            for (const [at, char] of changes) if (at < chars.length) chars[at] = String.fromCharCode(char);
            tryOut(chars.join(""), bytes);
          },
        ),
        { numRuns: runs },
      );
      expect(printed).toBeGreaterThan(runs / 4);
    },
    300_000,
  );
});
