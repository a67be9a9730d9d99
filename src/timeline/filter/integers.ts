/**
 * Numbers of events as two halves of an s64 or u64, and their comparison. A signed field is compared as a signed number, as the
 * kernel's own filters do; trace-cmd compares all as unsigned ones, so that `ret < 0` never matches there.
 */
import type { EventField } from "../../events/event-format.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { type Reader, readNode } from "../../events/print-format/number-node.ts";
import type { Comparison } from "./parse.ts";

export type Predicate = (record: EventRecord) => boolean;

export type Integer = { readonly low: Reader; readonly high: Reader; readonly signed: boolean; readonly bytes: number };

/** Undefined for an array. */
export function integerOf(field: EventField, littleEndian: boolean): Integer | undefined {
  if (field.array || ![1, 2, 4, 8].includes(field.size)) return undefined;
  const node = readNode(field.offset, field.size, littleEndian);
  const signed = field.signed && !field.pointer;
  if (field.size === 8) return { low: node.low, high: node.high, signed, bytes: 8 };
  const shift = 32 - field.size * 8;
  const low: Reader = signed ? (record) => (node.low(record) << shift) >> shift : node.low;
  return { low, high: signed ? (record) => low(record) >> 31 : () => 0, signed, bytes: field.size };
}

export function integerTest(number: Integer, by: Comparison, value: bigint): Predicate {
  // A negative number that an unsigned field is compared with is what the kernel stored: 4294967295 for -1 in a u32.
  const stored = value < 0n && !number.signed ? BigInt.asUintN(number.bytes * 8, value) : value;
  // No field holds it; 0xffffffffffffffff is the -1 of a signed one.
  if (stored >= 1n << 64n || stored < -(1n << 63n)) {
    const always = by === "!=" || by.startsWith(stored > 0n ? "<" : ">");
    return () => always;
  }
  const low = Number(BigInt.asIntN(32, stored));
  const high = Number(BigInt.asIntN(32, stored >> 32n));
  if (by === "&") return (record) => (number.low(record) & low) !== 0 || (number.high(record) & high) !== 0;
  return comparison(number, by, { ...number, low: () => low, high: () => high });
}

export function integersCompared(number: Integer, by: Comparison, other: Integer): Predicate {
  return comparison(number, by, other);
}

function comparison({ low, high, signed }: Integer, by: Comparison, other: Integer): Predicate {
  if (by === "==") return (record) => low(record) === other.low(record) && high(record) === other.high(record);
  if (by === "!=") return (record) => low(record) !== other.low(record) || high(record) !== other.high(record);
  const order = (record: EventRecord): number => {
    const [mine, theirs] = [high(record), other.high(record)];
    if (mine !== theirs) return signed ? mine - theirs : (mine >>> 0) - (theirs >>> 0);
    return (low(record) >>> 0) - (other.low(record) >>> 0);
  };
  if (by === "<") return (record) => order(record) < 0;
  if (by === "<=") return (record) => order(record) <= 0;
  if (by === ">") return (record) => order(record) > 0;
  return (record) => order(record) >= 0;
}
