/** Texts of events, and their comparison: strings as they are, addresses by the name of their function, other numbers in hex. */
import { matchesGlob } from "../../base/glob.ts";
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventField } from "../../events/event-format.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { fieldPlace } from "../../events/field-array.ts";
import { timelineLimits } from "../limits.ts";
import { integerOf } from "./integers.ts";
import type { TextComparison } from "./parse.ts";
import { basicPattern } from "./pattern.ts";

/** Each char a byte. */
type TextReader = (record: EventRecord) => string;

/** Undefined for an array of anything but chars. */
export function textOfField(field: EventField, kind: EventType, catalog: EventCatalog): TextReader | undefined {
  const { littleEndian } = catalog.metadata.layout;
  if (field.string) {
    const place = fieldPlace(field, littleEndian);
    return (record) => textAt(record, place.offset(record), place.bytes(record));
  }
  const number = integerOf(field, littleEndian);
  if (number === undefined) return undefined;
  const { symbols } = kind.context;
  return (record) => {
    const high = number.high(record);
    const low = number.low(record);
    const symbol = field.pointer || field.long ? symbols.find(high, low) : -1;
    if (symbol >= 0) return symbols.name(symbol);
    return `0x${((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(16)}`;
  };
}

function textAt(record: EventRecord, offset: number, bytes: number): string {
  const start = record.at + offset;
  const most = start + Math.min(bytes, timelineLimits.filterTextBytes);
  let end = start;
  while (end < most && record.bytes[end] !== 0) end++;
  return Buffer.from(record.bytes.buffer, record.bytes.byteOffset + start, end - start).toString("latin1");
}

export function textTest(by: TextComparison, wanted: string): (text: string) => boolean {
  switch (by) {
    case "==":
      return (text) => text === wanted;
    case "!=":
      return (text) => text !== wanted;
    case "~":
      return (text) => matchesGlob(wanted, text);
    default: {
      // It was looked at when the filter was read.
      const pattern = basicPattern(wanted) ?? /(?!)/;
      return by === "=~" ? (text) => pattern.test(text) : (text) => !pattern.test(text);
    }
  }
}
