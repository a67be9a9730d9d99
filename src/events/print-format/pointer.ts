/** %p and what may follow it: symbols, MAC and IP addresses, UUIDs, dumps. */
import { type ByteWriter, constant } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";
import { arrayPlace } from "./array-place.ts";
import type { Printer } from "./printer.ts";
import type { CompileContext } from "./context.ts";
import type { Conversion } from "./conversion.ts";
import type { Expression } from "./expression.ts";
import { ipv4, ipv6, ipv6Compressed, socketAddress } from "./ip-address.ts";
import { compileNumber } from "./number.ts";
import { type NumberNode } from "./number-node.ts";
import { hexWithPrefix } from "./text.ts";

const nil = constant("(nil)");

export function compilePointer(
  conversion: Conversion,
  argument: Expression,
  width: NumberNode,
  context: CompileContext,
): Printer {
  const kind = conversion.pointer;
  switch (kind.charAt(0)) {
    case "s":
    case "S":
    case "f":
    case "F":
    case "B":
      return symbolPrinter(compileNumber(argument, context), kind === "S" || kind === "F", context);
    case "m":
    case "M":
      return macPrinter(kind, argument, context);
    case "i":
    case "I":
      return ipPrinter(kind, argument, context);
    case "U":
      return uuidPrinter(kind, argument, context);
    case "h":
      return dumpPrinter(kind, argument, width, context);
    default: {
      const value = compileNumber(argument, context);
      return (record, out) => {
        const high = value.high(record);
        const low = value.low(record);
        if ((high | low) === 0) out.put(nil);
        else hexWithPrefix(out, high, low);
      };
    }
  }
}

function symbolPrinter(value: NumberNode, withOffset: boolean, { symbols }: CompileContext): Printer {
  return (record, out) => {
    const high = value.high(record);
    const low = value.low(record);
    const index = symbols.find(high, low);
    if (index < 0) {
      hexWithPrefix(out, high, low);
      return;
    }
    symbols.write(out, index);
    if (!withOffset) return;
    out.put(plus);
    out.hex(0, symbols.offsetIn(index, high, low));
  };
}

const plus = constant("+0x");
const invalidMac = constant("INVALIDMAC");

function macPrinter(kind: string, argument: Expression, context: CompileContext): Printer {
  const place = arrayPlace(argument, context);
  const separator = kind.startsWith("m") ? 0 : kind === "MF" ? 0x2d : 0x3a;
  const reverse = kind.endsWith("R");
  return (record, out) => {
    if (place.bytes(record) !== 6) {
      out.put(invalidMac);
      return;
    }
    const at = record.at + place.offset(record);
    for (let index = 0; index < 6; index++) {
      if (index > 0 && separator !== 0) out.byte(separator);
      out.hexByte(record.view.getUint8(at + (reverse ? 5 - index : index)));
    }
  };
}

const invalidIpv4 = constant("INVALIDIPv4");
const invalidIpv6 = constant("INVALIDIPv6");

function ipPrinter(kind: string, argument: Expression, context: CompileContext): Printer {
  const place = arrayPlace(argument, context);
  const padded = kind.startsWith("i");
  const reverse = /[hl]$/.test(kind) && (kind.endsWith("l") || context.littleEndian);
  const addressOf = (record: EventRecord): number => record.at + place.offset(record);
  if (kind.charAt(1) === "4") {
    return (record, out) =>
      place.bytes(record) === 4 ? ipv4(out, record.bytes, addressOf(record), padded, reverse) : out.put(invalidIpv4);
  }
  if (kind.charAt(1) === "6") {
    const write = kind.endsWith("c")
      ? ipv6Compressed
      : (out: ByteWriter, bytes: Uint8Array, offset: number): void => ipv6(out, bytes, offset, !padded);
    return (record, out) =>
      place.bytes(record) === 16 ? write(out, record.bytes, addressOf(record)) : out.put(invalidIpv6);
  }
  const { littleEndian } = context;
  const options = { port: kind.includes("p"), compressed: kind.includes("c"), padded, reverse, littleEndian };
  return (record, out) => socketAddress(out, record, place.offset(record), place.bytes(record), options);
}

const uuidOrder = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const guidOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
const invalidUuid = constant("INVALIDUUID");

function uuidPrinter(kind: string, argument: Expression, context: CompileContext): Printer {
  const place = arrayPlace(argument, context);
  const order = /[Ll]$/.test(kind) ? guidOrder : uuidOrder;
  const isUpperCase = /[LB]$/.test(kind);
  return (record, out) => {
    if (place.bytes(record) !== 16) {
      out.put(invalidUuid);
      return;
    }
    const at = record.at + place.offset(record);
    for (const [position, index] of order.entries()) {
      out.hexByte(record.view.getUint8(at + index), isUpperCase);
      if (position === 3 || position === 5 || position === 7 || position === 9) out.byte(0x2d);
    }
  };
}

function dumpPrinter(kind: string, argument: Expression, width: NumberNode, context: CompileContext): Printer {
  const place = arrayPlace(argument, context);
  const separator = { hC: 0x3a, hD: 0x2d, hN: 0 }[kind] ?? 0x20;
  return (record, out) => {
    const count = Math.min(width.low(record) >>> 0, place.bytes(record));
    const at = record.at + place.offset(record);
    for (let index = 0; index < count; index++) {
      if (index > 0 && separator !== 0) out.byte(separator);
      out.hexByte(record.view.getUint8(at + index));
    }
  };
}
