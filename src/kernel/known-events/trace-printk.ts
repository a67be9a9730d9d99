/** trace_printk(): its format lies in printk_formats, its arguments lie packed in the event. */
import { constant } from "../byte-writer.ts";
import { findField } from "../event-format.ts";
import { compileFormat, type Printer } from "../print-format/compile.ts";
import { type Conversion, splitFormat } from "../print-format/conversion.ts";
import { type Expression, PrintFormatError } from "../print-format/expression.ts";
import type { EventRecord } from "../event-record.ts";
import { type KnownEvent, type KnownEventContext, plainField } from "./known-event.ts";

const separator = constant(": ");
const notFound = constant("(NO FORMAT FOUND at ");

export const binaryPrintk: KnownEvent = (context) => {
  const [ip, format, buffer] = [plainField(context, "ip"), plainField(context, "fmt"), findField(context.format, "buf")];
  if (!ip || !format || !buffer) return undefined;
  const { symbols, printk } = context;
  /** Parts of formats that were seen. */
  const parts = new Map<Uint8Array, (string | Conversion)[]>();
  return (record, out) => {
    const index = symbols.find(ip.high(record), ip.low(record));
    if (index >= 0) symbols.write(out, index);
    else out.hex(ip.high(record), ip.low(record));
    out.put(separator);
    const text = printk.find(format.high(record), format.low(record));
    if (text === undefined) {
      out.put(notFound);
      out.hex(format.high(record), format.low(record));
      out.byte(0x29);
      return;
    }
    let split = parts.get(text);
    if (split === undefined) parts.set(text, (split = splitFormat(Buffer.from(text).toString("latin1"))));
    const printer = unpack(record, buffer.offset, split, context);
    printer?.(record, out);
  };
};

/** Reads the arguments and compiles the format with them as constants: trace_printk() is rare. */
function unpack(record: EventRecord, offset: number, parts: readonly (string | Conversion)[], context: KnownEventContext): Printer | undefined {
  const { littleEndian, longBytes } = context;
  const list: Expression[] = [];
  let at = record.at + offset;
  const end = record.at + record.size;
  const number = (bytes: number): Expression => {
    at = record.at + ((at - record.at + 3) & ~3);
    const fits = at + bytes <= end;
    const value = !fits ? 0n : bytes === 8 ? record.view.getBigUint64(at, littleEndian) : BigInt(record.view.getUint32(at, littleEndian));
    at += bytes;
    return { kind: "number", value };
  };
  const string = (): Expression => {
    const from = at;
    while (at < end && record.view.getUint8(at) !== 0) at++;
    const text = Buffer.from(record.bytes.subarray(from, at)).toString("latin1");
    at++;
    return { kind: "string", text };
  };
  let format = "";
  for (const part of parts) {
    if (typeof part === "string") {
      format += part.replaceAll("%", "%%");
      continue;
    }
    if (part.width === "argument") list.push(number(4));
    if (part.precision === "argument") list.push(number(4));
    if (part.letter === "s" || (part.letter === "p" && !/^[sSfFB]?$/.test(part.pointer))) {
      list.push(string());
      format += "%s";
    } else if (part.letter === "p") {
      list.push(number(longBytes));
      format += `%p${part.pointer}`;
    } else {
      list.push(number(part.bits === 64 ? 8 : 4));
      format += source(part);
    }
  }
  try {
    return compileFormat(format, list, context);
  } catch (error) {
    if (error instanceof PrintFormatError) return undefined;
    throw error;
  }
}

function source(conversion: Conversion): string {
  const { left, zero, alternate, plus, width, precision, bits, letter } = conversion;
  const flags = `${left ? "-" : ""}${zero ? "0" : ""}${alternate ? "#" : ""}${plus ? "+" : ""}`;
  const columns = width === "argument" ? "*" : width > 0 ? String(width) : "";
  const least = precision === undefined ? "" : `.${precision === "argument" ? "*" : precision}`;
  return `%${flags}${columns}${least}${{ 8: "hh", 16: "h", 32: "", 64: "ll" }[bits]}${letter}`;
}
