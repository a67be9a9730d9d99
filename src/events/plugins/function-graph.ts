/**
 * Entries and exits of functions. A function that calls no other is one line: its exit follows its entry. That is
 * known only with the next event, so the entry's line is written then (event-text.ts).
 */
import { type ByteWriter, constant } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";
import type { NumberNode } from "../print-format/number-node.ts";
import { type Plugin, type PluginContext, plainField } from "./plugin.ts";

const depthColumns = 2;
const depthMost = 512;
const noDuration = constant("             |  ");
const microseconds = constant(" us ");
const durationEnd = constant("|  ");
const callEnd = constant("();");
const nestedEnd = constant("() {");

/** Above this many ns a sign precedes the duration. */
const signs = [
  { above: 1e9, sign: 0x24 },
  { above: 1e6, sign: 0x23 },
  { above: 1e5, sign: 0x21 },
  { above: 1e4, sign: 0x2b },
];
const noSign = 0x20;

export type GraphFields = { func: NumberNode; depth: NumberNode };

export const functionEntry: Plugin = (context) => {
  const fields = graphFields(context);
  if (fields === undefined) return undefined;
  return (record, out) => {
    out.put(noDuration);
    writeCall(record, out, fields, context);
    out.put(nestedEnd);
  };
};

export const functionExit: Plugin = (context) => {
  const fields = graphFields(context);
  const duration = durationOf(context);
  if (fields === undefined || duration === undefined) return undefined;
  return (record, out) => {
    writeDuration(out, duration(record));
    out.spaces(depth(record, fields) * depthColumns);
    out.byte(0x7d);
  };
};

/** The line of a function that calls no other, of its entry and its exit. */
export function leafPrinter(
  entry: PluginContext,
  exit: PluginContext,
):
  | {
      matches: (entry: EventRecord, exit: EventRecord) => boolean;
      print: (entry: EventRecord, exit: EventRecord, out: ByteWriter) => void;
    }
  | undefined {
  const [entryFields, exitFields] = [graphFields(entry), graphFields(exit)];
  const duration = durationOf(exit);
  if (!entryFields || !exitFields || !duration) return undefined;
  return {
    matches: (first, second) =>
      first.cpu === second.cpu &&
      entryFields.func.low(first) === exitFields.func.low(second) &&
      entryFields.func.high(first) === exitFields.func.high(second),
    print: (first, second, out) => {
      writeDuration(out, duration(second));
      writeCall(first, out, entryFields, entry);
      out.put(callEnd);
    },
  };
}

function graphFields(context: PluginContext): GraphFields | undefined {
  const [func, level] = [plainField(context, "func"), plainField(context, "depth")];
  return func && level ? { func, depth: level } : undefined;
}

function depth(record: EventRecord, fields: GraphFields): number {
  return Math.max(0, Math.min(fields.depth.low(record), depthMost));
}

/** In ns; -1 if invalid. */
function durationOf(context: PluginContext): ((record: EventRecord) => number) | undefined {
  const [call, end] = [plainField(context, "calltime"), plainField(context, "rettime")];
  if (call === undefined || end === undefined) return undefined;
  return (record) => {
    const low = (end.low(record) >>> 0) - (call.low(record) >>> 0);
    return ((end.high(record) >>> 0) - (call.high(record) >>> 0)) * 2 ** 32 + low;
  };
}

function signOf(duration: number): number {
  for (const { above, sign } of signs) if (duration > above) return sign;
  return noSign;
}

function writeDuration(out: ByteWriter, nanoseconds: number): void {
  const duration = Math.max(0, nanoseconds);
  out.byte(signOf(duration));
  out.byte(0x20);
  const start = out.length;
  out.decimal(Math.floor(duration / 1000));
  // As trace-cmd does it: the point and all three digits, until the microseconds alone fill the column.
  if (out.length - start < 7) {
    out.byte(0x2e);
    out.digits(duration % 1000, 3);
  }
  const written = out.length - start;
  out.put(microseconds);
  out.spaces(Math.max(0, 7 - written));
  out.put(durationEnd);
}

function writeCall(record: EventRecord, out: ByteWriter, fields: GraphFields, { symbols }: PluginContext): void {
  out.spaces(depth(record, fields) * depthColumns);
  const high = fields.func.high(record);
  const low = fields.func.low(record);
  const index = symbols.find(high, low);
  if (index >= 0) symbols.write(out, index);
  else out.hex(high, low);
}
