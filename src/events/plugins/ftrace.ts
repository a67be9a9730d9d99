/** Events of the tracers themselves: functions, stacks, raw markers. */
import { type ByteWriter, constant } from "../../base/byte-writer.ts";
import { findField } from "../event-format.ts";
import type { SymbolTable } from "../symbols.ts";
import { type Plugin, plainField } from "./plugin.ts";

const indentColumns = 3;
/** Deeper calls are indented from the left again. */
const indentMost = 256;

/** The function, indented by the calls that were seen on its CPU; the caller is known. */
export const functionCall: Plugin = (context) => {
  const [ip, parent] = [plainField(context, "ip"), plainField(context, "parent_ip")];
  if (!ip || !parent) return undefined;
  const { symbols } = context;
  /** Per CPU: indices of symbols, outermost first. */
  const stacks = new Map<number, number[]>();
  return (record, out) => {
    const called = symbols.find(ip.high(record), ip.low(record));
    const caller = symbols.find(parent.high(record), parent.low(record));
    if (caller >= 0) {
      let stack = stacks.get(record.cpu);
      if (stack === undefined) stacks.set(record.cpu, (stack = []));
      out.spaces(depthOf(stack, caller, called, symbols) * indentColumns);
    }
    writeSymbol(out, symbols, called, ip.high(record), ip.low(record));
  };
};

function depthOf(stack: number[], caller: number, called: number, symbols: SymbolTable): number {
  let depth = 0;
  while (depth < stack.length && !isSame(stack[depth] ?? -1, caller, symbols)) depth++;
  if (depth >= stack.length || depth >= indentMost) {
    depth = 0;
    stack[0] = caller;
  }
  if (called >= 0) stack[depth + 1] = called;
  return depth;
}

function isSame(index: number, caller: number, symbols: SymbolTable): boolean {
  return index === caller || symbols.sameName(index, caller);
}

function writeSymbol(out: ByteWriter, symbols: SymbolTable, index: number, high: number, low: number): void {
  if (index >= 0) symbols.write(out, index);
  else {
    out.byte(0x30);
    out.byte(0x78);
    out.hex(high, low);
  }
}

const stackText = constant("<stack trace >\n");
const stackEntry = constant("=> ");

export const kernelStack: Plugin = (context) => {
  const caller = findField(context.format, "caller");
  if (caller === undefined) return undefined;
  const { longBytes, littleEndian, symbols } = context;
  return (record, out) => {
    out.put(stackText);
    for (let at = caller.offset; at + longBytes <= record.size; at += longBytes) {
      const first = record.view.getInt32(record.at + at, littleEndian);
      const second = longBytes === 4 ? 0 : record.view.getInt32(record.at + at + 4, littleEndian);
      const isLowFirst = littleEndian || longBytes === 4;
      const high = isLowFirst ? second : first;
      const low = isLowFirst ? first : second;
      if (low === -1 && (longBytes === 4 || high === -1)) break;
      out.put(stackEntry);
      const index = symbols.find(high, low);
      if (index >= 0) {
        symbols.write(out, index);
        out.byte(0x20);
        out.byte(0x28);
        out.hex(high, low);
        out.byte(0x29);
      } else out.hex(high, low);
      out.byte(0x0a);
    }
  };
};

export const rawMarker: Plugin = (context) => {
  const [id, buffer] = [plainField(context, "id"), findField(context.format, "buf")];
  if (!id || !buffer) return undefined;
  return (record, out) => {
    out.byte(0x23);
    out.byte(0x20);
    out.hex(0, id.low(record));
    for (let at = buffer.offset; at < record.size; at++) {
      out.byte(0x20);
      out.hexByte(record.view.getUint8(record.at + at));
    }
  };
};
