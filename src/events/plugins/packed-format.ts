/** A format of trace_printk() and the arguments that vbin_printf() packed into the event, as text. Compiled once per format. */
import { constant } from "../../base/byte-writer.ts";
import { eventLimits } from "../limits.ts";
import { compileFormat } from "../print-format/compile.ts";
import { type Conversion, splitFormat } from "../print-format/conversion.ts";
import { type Expression, PrintFormatError } from "../print-format/expression.ts";
import type { Printer } from "../print-format/printer.ts";
import { Slot } from "../print-format/slot.ts";
import { type NumberBytes, PackedArguments } from "./packed-arguments.ts";
import type { PluginContext } from "./plugin.ts";

/** `offset`: where in an event the arguments begin. Undefined for a format that is not understood. */
export function compilePackedFormat(format: string, offset: number, context: PluginContext): Printer | undefined {
  const packed = new PackedArguments(context.littleEndian);
  try {
    const split = splitFormat(format, context.longBytes);
    const conversions = split.filter((part) => typeof part !== "string").length;
    if (conversions > eventLimits.printFormatConversions) throw new PrintFormatError("too many conversions");
    const parts = split.map((part) => partPrinter(part, packed, context));
    return (record, out) => {
      packed.begin(offset);
      for (const print of parts) print(record, out);
    };
  } catch (error) {
    if (error instanceof PrintFormatError) return undefined;
    throw error;
  }
}

/** Throws a PrintFormatError. */
function partPrinter(part: string | Conversion, packed: PackedArguments, context: PluginContext): Printer {
  if (typeof part === "string") {
    const text = constant(part);
    return (_, out) => out.put(text);
  }
  if (part.letter === "") throw new PrintFormatError("unknown conversion");
  const columns = [part.width, part.precision].filter((value) => value === "argument").map(() => new Slot());
  const value = new Slot();
  const compile = (format: string, ...slots: Slot[]): Printer => compileFormat(format, slots.map(argument), context);
  const takeColumns: Printer = (record) => {
    for (const slot of columns) packed.number(record, 4, slot);
  };
  if (part.letter === "p") {
    const isAddress = /^[sSfFB]?$/.test(part.pointer);
    const address = compile(isAddress ? `%p${part.pointer}` : "%p", value);
    const text = compile("%s", value);
    // The kernel printed what %p names when the event happened: all but symbols' names and plain addresses. Kernels before 5.0
    // stored the address of everything; then no text stands there.
    const mayBeText = !/^[sS]?$/.test(part.pointer);
    return (record, out) => {
      takeColumns(record, out);
      const isText = mayBeText && packed.isText(record);
      if (isText) packed.string(record, value);
      else packed.number(record, context.longBytes, value);
      if (isText) text(record, out);
      else address(record, out);
    };
  }
  const print = compile(source(part), ...columns, value);
  const bytes = numberBytes(part);
  const isString = part.letter === "s";
  return (record, out) => {
    takeColumns(record, out);
    if (isString) packed.string(record, value);
    else packed.number(record, bytes, value);
    print(record, out);
  };
}

const argument = (slot: Slot): Expression => ({ kind: "slot", slot });

function numberBytes({ letter, bits }: Conversion): NumberBytes {
  const bytes = { 8: 1, 16: 2, 32: 4, 64: 8 } as const;
  return letter === "c" ? 1 : bytes[bits];
}

function source(conversion: Conversion): string {
  const { left, zero, alternate, plus, width, precision, bits, letter } = conversion;
  const flags = `${left ? "-" : ""}${zero ? "0" : ""}${alternate ? "#" : ""}${plus ? "+" : ""}`;
  const columns = width === "argument" ? "*" : width > 0 ? String(width) : "";
  const least = precision === undefined ? "" : `.${precision === "argument" ? "*" : precision}`;
  return `%${flags}${columns}${least}${{ 8: "hh", 16: "h", 32: "", 64: "ll" }[bits]}${letter}`;
}
