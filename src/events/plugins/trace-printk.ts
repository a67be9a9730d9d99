/**
 * trace_printk(): its format is in printk_formats, its arguments are packed in the event. trace_puts(): a string
 * of the kernel.
 */
import { type Constant, constant } from "../../base/byte-writer.ts";
import { findField } from "../event-format.ts";
import type { Printer } from "../print-format/printer.ts";
import { hexWithPrefix } from "../print-format/text.ts";
import { compilePackedFormat } from "./packed-format.ts";
import { type Plugin, plainField } from "./plugin.ts";

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
  const compiled = new Map<Constant, Printer | undefined>();
  return (record, out) => {
    const text = printk.find(format.high(record), format.low(record));
    if (text === undefined) {
      out.put(notFound);
      out.hex(format.high(record), format.low(record));
      out.byte(0x29);
      return;
    }
    if (!compiled.has(text)) compiled.set(text, compilePackedFormat(text.text, buffer.offset, context));
    compiled.get(text)?.(record, out);
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
