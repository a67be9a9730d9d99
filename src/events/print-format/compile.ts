/** A print fmt -> a function that writes an event's text. Compiled once per format, run for every event. */
import { eventLimits } from "../limits.ts";
import { constant } from "../../base/byte-writer.ts";
import type { CompileContext } from "./context.ts";
import { type Conversion, splitFormat } from "./conversion.ts";
import type { Printer } from "./printer.ts";
import { type Expression, PrintFormatError } from "./expression.ts";
import { compileNumber } from "./number.ts";
import { constantNode, type Evaluation, type NumberNode, type Reader } from "./number-node.ts";
import { parsePrintFormat } from "./parser.ts";
import { compilePointer } from "./pointer.ts";
import { plainNumber, type Step, stepsPrinter } from "./steps.ts";
import { compileText } from "./text.ts";

const nothing = constant("");

/** Undefined for a print fmt that is not understood. */
export function compilePrintFormat(context: CompileContext): Printer | undefined {
  try {
    const { format, arguments: list } = parsePrintFormat(context.format.print);
    return compileFormat(format, list, context);
  } catch (error) {
    if (error instanceof PrintFormatError) return undefined;
    throw error;
  }
}

/** Throws a PrintFormatError. */
export function compileFormat(format: string, list: readonly Expression[], outer: CompileContext): Printer {
  const evaluation: Evaluation = { event: 0, keeps: false };
  const print = compileParts(format, list, { ...outer, evaluation });
  if (!evaluation.keeps) return print;
  return (record, out) => {
    evaluation.event++;
    print(record, out);
  };
}

function compileParts(format: string, list: readonly Expression[], context: CompileContext): Printer {
  const steps: Step[] = [];
  let text = nothing;
  let next = 0;
  const take = (): Expression => {
    const argument = list[next++];
    if (argument === undefined) throw new PrintFormatError("more conversions than arguments");
    return argument;
  };
  let conversions = 0;
  for (const part of splitFormat(format, context.longBytes)) {
    if (typeof part === "string") {
      text = constant(part);
    } else if (++conversions > eventLimits.printFormatConversions) {
      throw new PrintFormatError("too many conversions");
    } else if (part.letter === "") {
      throw new PrintFormatError("unknown conversion");
    } else {
      const width = part.width === "argument" ? compileNumber(take(), context) : constantNode(BigInt(part.width));
      const precision =
        part.precision === "argument"
          ? compileNumber(take(), context)
          : part.precision === undefined
            ? undefined
            : constantNode(BigInt(part.precision));
      steps.push({ text, ...compileConversion(part, take(), width, precision, context) });
      text = nothing;
    }
  }
  if (text.length > 0) steps.push({ text, number: undefined, print: undefined });
  return stepsPrinter(steps, context.littleEndian);
}

function compileConversion(
  conversion: Conversion,
  argument: Expression,
  width: NumberNode,
  precision: NumberNode | undefined,
  context: CompileContext,
): Omit<Step, "text"> {
  const number = /[diuxXoc]/.test(conversion.letter) ? compileNumber(argument, context) : undefined;
  const plain = number === undefined ? undefined : plainNumber(conversion, number, context.littleEndian);
  if (plain !== undefined) return { number: plain, print: undefined };
  const print =
    number === undefined
      ? compileOther(conversion, argument, width, precision, context)
      : compileNumeric(conversion, number, width, precision);
  return { number: undefined, print };
}

function compileOther(
  conversion: Conversion,
  argument: Expression,
  width: NumberNode,
  precision: NumberNode | undefined,
  context: CompileContext,
): Printer {
  if (conversion.letter === "p")
    return padded(compilePointer(conversion, argument, width, context), conversion, width, conversion.pointer !== "");
  const bounds =
    width.constant === 0n && precision === undefined
      ? undefined
      : { width: width.low, precision: precision?.low, left: conversion.left };
  return compileText(argument, context, bounds);
}

function compileNumeric(
  conversion: Conversion,
  value: NumberNode,
  width: NumberNode,
  precision: NumberNode | undefined,
): Printer {
  const digits = numberPrinter(conversion, value);
  const fixed = width.constant === undefined ? undefined : Number(width.constant);
  const least = precision?.low;
  if (least !== undefined) {
    return (record, out) => {
      const start = out.length;
      digits(record, out);
      out.pad(start, least(record), false, 0x30);
      out.pad(start, width.low(record), conversion.left);
    };
  }
  if (fixed === 0) return digits;
  const fill = conversion.zero && !conversion.left ? 0x30 : 0x20;
  const columns: Reader = fixed === undefined ? width.low : () => fixed;
  return (record, out) => {
    const start = out.length;
    digits(record, out);
    out.pad(start, columns(record), conversion.left, fill);
  };
}

function padded(print: Printer, conversion: Conversion, width: NumberNode, special: boolean): Printer {
  if (special || width.constant === 0n) return print;
  return (record, out) => {
    const start = out.length;
    print(record, out);
    out.pad(start, width.low(record), conversion.left);
  };
}

function numberPrinter(conversion: Conversion, value: NumberNode): Printer {
  const { low } = value;
  const wide = conversion.bits === 64;
  const high: Reader = wide ? value.high : () => 0;
  switch (conversion.letter) {
    case "d":
    case "i": {
      const print = signedPrinter(conversion.bits, low, high);
      if (!conversion.plus && !conversion.space) return print;
      const sign = conversion.plus ? 0x2b : 0x20;
      return (record, out) => {
        if ((wide ? high(record) : low(record)) >= 0) out.byte(sign);
        print(record, out);
      };
    }
    case "u":
      if (wide)
        return value.narrow
          ? (record, out) => out.decimal(low(record) >>> 0)
          : (record, out) => out.unsigned64(high(record), low(record));
      return (record, out) => out.decimal(narrowed(low(record), conversion.bits));
    case "c":
      return (record, out) => out.byte(low(record) & 0xff);
    case "o":
      return (record, out) => {
        if (conversion.alternate) out.byte(0x30);
        out.octal(high(record), narrowed(low(record), conversion.bits));
      };
    default: {
      const isUpperCase = conversion.letter === "X";
      const bits = conversion.bits;
      const prefix = isUpperCase ? 0x58 : 0x78;
      if (!conversion.alternate)
        return (record, out) => out.hex(high(record), narrowed(low(record), bits), isUpperCase);
      return (record, out) => {
        const upper = high(record);
        const lower = narrowed(low(record), bits);
        if ((upper | lower) !== 0) {
          out.byte(0x30);
          out.byte(prefix);
        }
        out.hex(upper, lower, isUpperCase);
      };
    }
  }
}

function signedPrinter(bits: Conversion["bits"], low: Reader, high: Reader): Printer {
  if (bits === 64) return (record, out) => out.signed64(high(record), low(record));
  if (bits === 32) return (record, out) => out.signed32(low(record) | 0);
  const shift = 32 - bits;
  return (record, out) => out.signed32((low(record) << shift) >> shift);
}

function narrowed(value: number, bits: Conversion["bits"]): number {
  if (bits === 16) return value & 0xffff;
  return bits === 8 ? value & 0xff : value >>> 0;
}
