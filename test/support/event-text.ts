/** An event format and bytes, and the text that they give: for tests of print fmts. */
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { type EventFormat, parseEventFormat } from "../../src/events/event-format.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { compilePrintFormat } from "../../src/events/print-format/compile.ts";
import { PrintkFormats } from "../../src/events/printk-formats.ts";
import { SymbolTable } from "../../src/events/symbols.ts";
import { commonFields } from "./common-fields.ts";

export type TestField = {
  declaration: string;
  size: number;
  signed?: boolean;
  value?: number | bigint | string | Uint8Array;
};

const kallsyms =
  "ffffffff81000000 T _stext\nffffffff81001000 t first_function\nffffffff81002000 T second_function\t[module]\n";
const printkFormats = '0xffffffff82000010 : "a string\\n"\n';

/** Fields lie one after the other from offset 8, each aligned to its size. */
export function makeFormat(fields: readonly TestField[], print: string): { format: EventFormat; data: Uint8Array } {
  let at = 8;
  const lines: string[] = [];
  const data = new Uint8Array(1024);
  const view = new DataView(data.buffer);
  for (const { declaration, size, signed, value } of fields) {
    const align = Math.min(8, size === 0 ? 1 : size & -size);
    at = Math.ceil(at / align) * align;
    lines.push(`\tfield:${declaration};\toffset:${at};\tsize:${size};\tsigned:${signed === true ? 1 : 0};`);
    if (typeof value === "string") data.set(Buffer.from(value, "latin1"), at);
    else if (value instanceof Uint8Array) data.set(value, at);
    else if (value !== undefined) {
      const number = BigInt.asUintN(size * 8, BigInt(value));
      for (let byte = 0; byte < size; byte++) view.setUint8(at + byte, Number((number >> BigInt(byte * 8)) & 0xffn));
    }
    at += size;
  }
  const text = `name: test\nID: 1\nformat:\n${commonFields}\n${lines.join("\n")}\n\nprint fmt: ${print}\n`;
  const format = parseEventFormat("test", text);
  if (format === undefined) throw new Error(`format not understood:\n${text}`);
  return { format, data: data.subarray(0, Math.max(at, 8)) };
}

/** The text of the event, or undefined if its print fmt is not understood. `extra` follows the fields. */
export function textOf(
  print: string,
  fields: readonly TestField[] = [],
  extra: Uint8Array = new Uint8Array(0),
): string | undefined {
  const { format, data } = makeFormat(fields, print);
  const printer = compilePrintFormat({
    format,
    longBytes: 8,
    littleEndian: true,
    symbols: new SymbolTable({ kallsyms: Buffer.from(kallsyms) }),
    printk: new PrintkFormats({ printkFormats }),
  });
  if (printer === undefined) return undefined;
  let text = "";
  const out = new ByteWriter((bytes) => {
    text += Buffer.from(bytes).toString("latin1");
  });
  const bytes = new Uint8Array(16 + data.length + extra.length);
  bytes.set(data, 16);
  bytes.set(extra, 16 + data.length);
  const record = new EventRecord();
  record.attach(new DataView(bytes.buffer));
  record.at = 16;
  record.size = data.length + extra.length;
  printer(record, out);
  out.flush();
  return text;
}
