/** Arguments of %s -> functions that write them: fields, flags and symbols by their tables, hex dumps, strings. */
import { type ByteWriter, constant } from "../../base/byte-writer.ts";
import { type EventField, findField } from "../event-format.ts";
import { ElementCursor, isElementSize } from "../field-array.ts";
import { arrayPlace } from "./array-place.ts";
import { bitmask, cpuList } from "./bitmask.ts";
import type { CompileContext } from "./context.ts";
import type { Printer } from "./printer.ts";
import { dynamicLength, dynamicOffset } from "./dynamic.ts";
import { type Expression, PrintFormatError } from "./expression.ts";
import { compileNumber, dynamicField, nameValue } from "./number.ts";
import { type NumberNode, type Reader, truthOf } from "./number-node.ts";

export type TextBounds = { width: Reader; precision: Reader | undefined; left: boolean };

/** Writes a string that was found, within the bounds that the conversion asks for. */
type Bounded = (print: Printer) => Printer;

/** Throws a PrintFormatError. */
export function compileText(expression: Expression, context: CompileContext, bounds: TextBounds | undefined): Printer {
  const bounded: Bounded = bounds === undefined ? (print) => print : (print) => withBounds(print, bounds);
  switch (expression.kind) {
    case "string": {
      const bytes = constant(expression.text);
      return bounded((_, out) => out.put(bytes));
    }
    case "slot": {
      const { slot } = expression;
      return bounded((record, out) => out.string(record.bytes, slot.start, slot.size));
    }
    case "name": {
      const bytes = constant(expression.name);
      return bounded((_, out) => out.put(bytes));
    }
    case "number": {
      const bytes = constant(String(expression.value));
      return bounded((_, out) => out.put(bytes));
    }
    case "field": {
      const field = findField(context.format, expression.name);
      if (field === undefined) throw new PrintFormatError(`no field "${expression.name}"`);
      return fieldText(field, context, bounded);
    }
    case "cast":
      return compileText(expression.item, context, bounds);
    case "condition": {
      const test = truthOf(compileNumber(expression.test, context));
      const yes = compileText(expression.yes, context, bounds);
      const no = compileText(expression.no, context, bounds);
      return (record, out) => (test(record) ? yes(record, out) : no(record, out));
    }
    case "call":
      return callText(expression.name, expression.arguments, context, bounded);
    default:
      throw new PrintFormatError(`${expression.kind} as text`);
  }
}

function withBounds(print: Printer, { width, precision, left }: TextBounds): Printer {
  return (record, out) => {
    const start = out.length;
    print(record, out);
    if (precision !== undefined) {
      const most = precision(record);
      if (most >= 0 && out.length > start + most) out.length = start + most;
    }
    const columns = width(record);
    out.pad(start, Math.abs(columns), left || columns < 0);
  };
}

function fieldText(field: EventField, context: CompileContext, bounded: Bounded): Printer {
  const { offset, size } = field;
  const { littleEndian, longBytes, printk } = context;
  if (field.dynamic !== "") return bounded((record, out) => dynamicText(record, out, field, littleEndian));
  // A number as large as a pointer is one, to a string that the kernel lists in printk_formats.
  if (!field.array && size === longBytes) {
    const node = compileNumber({ kind: "field", name: field.name }, context);
    return (record, out) => {
      const text = printk.find(node.high(record), node.low(record));
      if (text === undefined) out.hex(node.high(record), node.low(record));
      else out.put(text);
    };
  }
  if (size === 0) return bounded((record, out) => out.string(record.bytes, record.at + offset, record.size - offset));
  return bounded((record, out) => out.string(record.bytes, record.at + offset, Math.min(size, record.size - offset)));
}

function dynamicText(record: Parameters<Printer>[0], out: ByteWriter, field: EventField, littleEndian: boolean): void {
  const length = dynamicLength(record, field, littleEndian);
  if (length === 0) return;
  const offset = dynamicOffset(record, field, littleEndian);
  // As trace-cmd: up to the NUL, wherever in the event it is.
  out.string(record.bytes, record.at + offset, record.size - offset);
}

function callText(name: string, list: readonly Expression[], context: CompileContext, bounded: Bounded): Printer {
  const { littleEndian } = context;
  switch (name) {
    case "__print_flags":
    case "__print_flags_u64":
      return flagsText(list, context, bounded);
    case "__print_symbolic":
    case "__print_symbolic_u64":
      return symbolText(list, context, bounded);
    case "__get_str":
    case "__get_rel_str": {
      const field = dynamicField(list, context);
      return bounded((record, out) => dynamicText(record, out, field, littleEndian));
    }
    case "__get_bitmask":
    case "__get_rel_bitmask":
    case "__get_cpumask":
    case "__get_rel_cpumask": {
      const field = dynamicField(list, context);
      const write = name.includes("cpumask") ? cpuList : bitmask;
      return bounded((record, out) => {
        const offset = dynamicOffset(record, field, littleEndian);
        write(out, record.bytes, record.at + offset, dynamicLength(record, field, littleEndian), context);
      });
    }
    case "__print_hex":
    case "__print_hex_str":
      return hexText(list, context, name === "__print_hex" ? " " : "");
    case "__print_array":
      return arrayText(list, context);
    case "jbd2_dev_to_name": {
      const device = compileNumber(argument(list, 0), context);
      return (record, out) => {
        out.decimal(device.low(record) >>> 20);
        out.byte(0x3a);
        out.decimal(device.low(record) & 0xfffff);
      };
    }
    default:
      throw new PrintFormatError(`function ${name}()`);
  }
}

function argument(list: readonly Expression[], index: number): Expression {
  const item = list[index];
  if (item === undefined) throw new PrintFormatError("an argument is missing");
  return item;
}

type TableEntry = { high: number; low: number; known: boolean; print: Printer };

function table(list: readonly Expression[], context: CompileContext, bounded: Bounded): TableEntry[] {
  const entries: TableEntry[] = [];
  for (const item of list) {
    if (item.kind !== "pair") throw new PrintFormatError("a table with something else in it");
    if (item.text === undefined) break;
    const unknown = item.value.kind === "name" && nameValue(item.value.name) === undefined;
    const value = unknown ? 0xffff_ffff_ffff_ffffn : compileNumber(item.value, context).constant;
    if (value === undefined) throw new PrintFormatError("a table whose values are not constant");
    const text = constant(item.text);
    const [high, low] = [Number(value >> 32n) | 0, Number(value & 0xffff_ffffn) | 0];
    entries.push({ high, low, known: !unknown, print: bounded((_, out) => out.put(text)) });
  }
  return entries;
}

function flagsText(list: readonly Expression[], context: CompileContext, bounded: Bounded): Printer {
  const value = compileNumber(argument(list, 0), context);
  const separator = argument(list, 1);
  const between = constant(separator.kind === "string" ? separator.text : "");
  const entries = table(list.slice(2), context, bounded);
  return (record, out) => {
    let low = value.low(record);
    let high = value.high(record);
    const start = out.length;
    for (const entry of entries) {
      if (!entry.known) {
        // trace-cmd takes an unknown name for "none of them".
        if ((low | high) === 0) {
          entry.print(record, out);
          return;
        }
        continue;
      }
      // A value with the highest bit is negative there, and never found.
      if ((entry.low | entry.high) === 0 || entry.high < 0) continue;
      if ((low & entry.low) === entry.low && (high & entry.high) === entry.high) {
        if (out.length > start) out.put(between);
        entry.print(record, out);
        low &= ~entry.low;
        high &= ~entry.high;
      }
    }
    if ((low | high) === 0) return;
    if (out.length > start) out.put(between);
    hexWithPrefix(out, high, low);
  };
}

function symbolText(list: readonly Expression[], context: CompileContext, bounded: Bounded): Printer {
  const value = compileNumber(argument(list, 0), context);
  const entries = table(list.slice(1), context, bounded);
  /** By the low half, and by the high one where that is not 0. */
  const narrow = new Map<number, Printer>();
  const wide = new Map<number, Map<number, Printer>>();
  for (const { low, high, print } of entries) {
    let table = narrow;
    if (high !== 0) {
      table = wide.get(high) ?? new Map<number, Printer>();
      wide.set(high, table);
    }
    if (!table.has(low)) table.set(low, print);
  }
  return (record, out) => {
    const low = value.low(record);
    const high = value.high(record);
    const print = (high === 0 ? narrow : wide.get(high))?.get(low);
    if (print === undefined) hexWithPrefix(out, high, low);
    else print(record, out);
  };
}

export function hexWithPrefix(out: ByteWriter, high: number, low: number): void {
  out.byte(0x30);
  out.byte(0x78);
  out.hex(high, low);
}

function hexText(list: readonly Expression[], context: CompileContext, separator: string): Printer {
  const array = arrayPlace(argument(list, 0), context);
  const length = compileNumber(argument(list, 1), context);
  return (record, out) => {
    const offset = array.offset(record);
    const count = Math.min(length.low(record) >>> 0, record.size - offset);
    for (let at = 0; at < count; at++) {
      if (at > 0 && separator !== "") out.byte(0x20);
      out.hexByte(record.view.getUint8(record.at + offset + at));
    }
  };
}

function arrayText(list: readonly Expression[], context: CompileContext): Printer {
  const array = arrayPlace(argument(list, 0), context);
  const count: NumberNode = compileNumber(argument(list, 1), context);
  const elementSize: NumberNode = compileNumber(argument(list, 2), context);
  const elements = new ElementCursor(context.littleEndian);
  return (record, out) => {
    const size = elementSize.low(record);
    const offset = array.offset(record);
    out.byte(0x7b);
    if (isElementSize(size)) {
      elements.begin(record, offset, (count.low(record) >>> 0) * size, size);
      while (elements.next()) {
        if (elements.index > 0) out.byte(0x2c);
        hexWithPrefix(out, elements.high, elements.low);
      }
    }
    out.byte(0x7d);
  };
}
