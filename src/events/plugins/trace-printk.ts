/**
 * trace_printk(): its format is in printk_formats, its arguments are packed in the event. trace_puts(): a string
 * of the kernel.
 */
import { type Constant, constant } from "../../base/byte-writer.ts";
import { findField } from "../event-format.ts";
import { compileFormat } from "../print-format/compile.ts";
import type { Printer } from "../print-format/printer.ts";
import { type Conversion, splitFormat } from "../print-format/conversion.ts";
import { type Expression, PrintFormatError } from "../print-format/expression.ts";
import { hexWithPrefix } from "../print-format/text.ts";
import type { EventRecord } from "../event-record.ts";
import { type Plugin, type PluginContext, plainField } from "./plugin.ts";

const separator = constant(": ");
const notFound = constant("(NO FORMAT FOUND at ");

export const binaryPrintk: Plugin = (context) => {
  const [ip, message] = [plainField(context, "ip"), printkMessage(context)];
  if (!ip || !message) return undefined;
  const { symbols } = context;
  return (record, out) => {
    const index = symbols.find(ip.high(record), ip.low(record));
    if (index >= 0) symbols.write(out, index);
    else hexWithPrefix(out, ip.high(record), ip.low(record));
    out.put(separator);
    message(record, out);
  };
};

/** What was printed, without the place. */
export const printkMessage: Plugin = (context) => {
  const [format, buffer] = [plainField(context, "fmt"), findField(context.format, "buf")];
  if (!format || !buffer) return undefined;
  const { printk } = context;
  /** Parsed formats. */
  const parts = new Map<Constant, (string | Conversion)[]>();
  return (record, out) => {
    const text = printk.find(format.high(record), format.low(record));
    if (text === undefined) {
      out.put(notFound);
      out.hex(format.high(record), format.low(record));
      out.byte(0x29);
      return;
    }
    let split = parts.get(text);
    if (split === undefined) parts.set(text, (split = splitFormat(text.text, context.longBytes)));
    unpack(record, buffer.offset, split, context)?.(record, out);
  };
};

/** The string that trace_puts() refers to by address; the address if the recording lacks it. */
export const putsMessage: Plugin = (context) => {
  const text = plainField(context, "str");
  if (text === undefined) return undefined;
  const { printk } = context;
  return (record, out) => {
    const found = printk.find(text.high(record), text.low(record));
    if (found === undefined) hexWithPrefix(out, text.high(record), text.low(record));
    else out.put(found);
  };
};

/** Reads the arguments and compiles the format with them as constants: trace_printk() is rare. */
function unpack(
  record: EventRecord,
  offset: number,
  parts: readonly (string | Conversion)[],
  context: PluginContext,
): Printer | undefined {
  const packed = new PackedArguments(record, offset, context);
  const list: Expression[] = [];
  let format = "";
  for (const part of parts) {
    if (typeof part === "string") {
      format += part.replaceAll("%", "%%");
      continue;
    }
    const columns = [part.width, part.precision].filter((value) => value === "argument").map(() => packed.number(4));
    if (part.letter !== "p") {
      list.push(...columns, part.letter === "s" ? packed.string() : packed.number(numberBytes(part)));
      format += source(part);
    } else if (packed.isText(part.pointer)) {
      list.push(packed.string());
      format += "%s";
    } else {
      list.push(packed.number(context.longBytes));
      format += /^[sSfFB]?$/.test(part.pointer) ? `%p${part.pointer}` : "%p";
    }
  }
  try {
    return compileFormat(format, list, context);
  } catch (error) {
    if (error instanceof PrintFormatError) return undefined;
    throw error;
  }
}

function numberBytes({ letter, bits }: Conversion): 1 | 2 | 4 | 8 {
  const bytes = { 8: 1, 16: 2, 32: 4, 64: 8 } as const;
  return letter === "c" ? 1 : bytes[bits];
}

/** As vbin_printf() packs them (lib/vsprintf.c): each aligned to its own size, but to 4 bytes at most; strings not at all. */
class PackedArguments {
  readonly #record: EventRecord;
  readonly #littleEndian: boolean;
  #at: number;

  constructor(record: EventRecord, offset: number, { littleEndian }: PluginContext) {
    this.#record = record;
    this.#littleEndian = littleEndian;
    this.#at = offset;
  }

  number(bytes: 1 | 2 | 4 | 8): Expression {
    const { view, at: start, size } = this.#record;
    const alignment = Math.min(bytes, 4);
    const from = Math.ceil(this.#at / alignment) * alignment;
    this.#at = from + bytes;
    if (this.#at > size) return { kind: "number", value: 0n };
    const read = {
      1: () => BigInt(view.getUint8(start + from)),
      2: () => BigInt(view.getUint16(start + from, this.#littleEndian)),
      4: () => BigInt(view.getUint32(start + from, this.#littleEndian)),
      8: () => view.getBigUint64(start + from, this.#littleEndian),
    };
    return { kind: "number", value: read[bytes]() };
  }

  string(): Expression {
    const { bytes, at, size } = this.#record;
    const from = Math.min(this.#at, size);
    let end = from;
    while (end < size && bytes[at + end] !== 0) end++;
    this.#at = end + 1;
    return { kind: "string", text: Buffer.from(bytes.subarray(at + from, at + end)).toString("latin1") };
  }

  /**
   * Whether the kernel printed what %p names when the event happened: all but symbols' names and plain addresses. Kernels
   * before 5.0 stored the address of everything; then no text stands there.
   */
  isText(pointer: string): boolean {
    if (/^[sS]?$/.test(pointer)) return false;
    const { bytes, at, size } = this.#record;
    const first = this.#at < size ? (bytes[at + this.#at] ?? 0) : 0;
    return first >= 0x20 && first < 0x7f;
  }
}

function source(conversion: Conversion): string {
  const { left, zero, alternate, plus, width, precision, bits, letter } = conversion;
  const flags = `${left ? "-" : ""}${zero ? "0" : ""}${alternate ? "#" : ""}${plus ? "+" : ""}`;
  const columns = width === "argument" ? "*" : width > 0 ? String(width) : "";
  const least = precision === undefined ? "" : `.${precision === "argument" ? "*" : precision}`;
  return `%${flags}${columns}${least}${{ 8: "hh", 16: "h", 32: "", 64: "ll" }[bits]}${letter}`;
}
