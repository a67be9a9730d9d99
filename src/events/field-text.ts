/** An event's fields as name=value: for events whose print fmt is not understood, and for truncated ones. */
import { constant } from "../base/byte-writer.ts";
import type { EventField, EventFormat } from "./event-format.ts";
import { ElementCursor, fieldPlace } from "./field-array.ts";
import type { EventRecord } from "./event-record.ts";
import type { Printer } from "./print-format/printer.ts";
import type { CompileContext } from "./print-format/context.ts";
import { fieldNode } from "./print-format/number-node.ts";
import { hexWithPrefix } from "./print-format/text.ts";

const failed = constant("[FAILED TO PARSE]");
const arrayStart = constant("ARRAY[");
const arraySeparator = constant(", ");

/** As in trace-cmd, which says so at the beginning. */
export function fallbackPrinter(format: EventFormat, context: CompileContext): Printer {
  const fields = format.fields
    .filter((field) => !field.common)
    .map((field) => ({ field, label: constant(` ${field.name}=`), print: fieldPrinter(field, context) }));
  return (record, out) => {
    out.put(failed);
    for (const { field, label, print } of fields) {
      if (field.offset + field.size > record.size) break;
      out.put(label);
      print(record, out);
    }
  };
}

function fieldPrinter(field: EventField, context: CompileContext): Printer {
  if (field.array) return arrayPrinter(field, context.littleEndian);
  const { low, high } = fieldNode(field, context);
  const { size } = field;
  if (field.pointer) return (record, out) => hexWithPrefix(out, high(record), low(record));
  if (!field.signed) {
    if (field.long) return (record, out) => hexWithPrefix(out, high(record), low(record));
    return (record, out) => out.unsigned64(high(record), low(record));
  }
  if (size === 8) return (record, out) => out.signed64(high(record), low(record));
  if (size === 4 && field.long) return (record, out) => hexWithPrefix(out, 0, low(record));
  const shift = 32 - size * 8;
  return (record, out) => {
    const start = out.length;
    out.signed32((low(record) << shift) >> shift);
    if (size === 2) out.pad(start, 2, false);
  };
}

function arrayPrinter(field: EventField, littleEndian: boolean): Printer {
  const place = fieldPlace(field, littleEndian);
  const elements = new ElementCursor(littleEndian);
  return (record, out) => {
    const offset = place.offset(record);
    const length = place.bytes(record);
    if (field.string && isPrintable(record, offset, length)) {
      out.string(record.bytes, record.at + offset, length);
      return;
    }
    out.put(arrayStart);
    elements.begin(record, offset, length, 1);
    while (elements.next()) {
      if (elements.index > 0) out.put(arraySeparator);
      out.hexByte(elements.low);
    }
    out.byte(0x5d);
  };
}

function isPrintable(record: EventRecord, offset: number, length: number): boolean {
  for (let index = 0; index < length; index++) {
    const value = record.view.getUint8(record.at + offset + index);
    if (value === 0) return true;
    if ((value < 0x20 && (value < 0x09 || value > 0x0d)) || value > 0x7e) return false;
  }
  return true;
}
