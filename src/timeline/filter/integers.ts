/**
 * Numbers of events as two halves of an s64 or u64, and their comparison. A signed field is compared as a signed number, as the
 * kernel's own filters do; trace-cmd compares all as unsigned ones, so that `ret < 0` never matches there.
 */
import type { EventField } from "../../events/event-format.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { constantNode, type NumberNode, type Reader, readNode } from "../../events/print-format/number-node.ts";
import { binaryNode } from "../../events/print-format/operators.ts";
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

const [unsigned64Max, signed64Min] = [(1n << 64n) - 1n, -(1n << 63n)];

/** A number of a filter, as strtoull(3) bounds it. */
export function constantInteger(value: bigint): Integer {
  const bounded = value > unsigned64Max ? unsigned64Max : value < signed64Min ? signed64Min : value;
  const { low, high } = constantNode(bounded);
  return { low, high, signed: bounded < 1n << 63n, bytes: 8 };
}

/**
 * In 64 bits, as trace-cmd computes it: quotients and remainders of unsigned ones. A division by 0, at which trace-cmd dies, is 0.
 * What may be below 0 is: sums of signed or of shorter fields.
 */
export function arithmetic(operator: string, left: Integer, right: Integer): Integer {
  const { low, high } = binaryNode(operator, nodeOf(left), nodeOf(right));
  const mayBeNegative = (part: Integer): boolean => part.signed || part.bytes < 8;
  const signed = !/[/%]|>>/.test(operator) && mayBeNegative(left) && mayBeNegative(right);
  return { low, high, signed, bytes: 8 };
}

function nodeOf({ low, high, signed, bytes }: Integer): NumberNode {
  return { low, high, narrow: !signed && bytes < 8, constant: undefined };
}

export function isNotZero({ low, high }: Integer): Predicate {
  return (record) => low(record) !== 0 || high(record) !== 0;
}

export function integerTest(number: Integer, by: Comparison, value: bigint): Predicate {
  // A negative number that an unsigned field is compared with is what the kernel stored: 4294967295 for -1 in a u32.
  const stored = value < 0n && !number.signed ? BigInt.asUintN(number.bytes * 8, value) : value;
  // No field holds it; 0xffffffffffffffff is the -1 of a signed one.
  if (stored > unsigned64Max || stored < signed64Min) {
    const always = by === "!=" || by.startsWith(stored > 0n ? "<" : ">");
    return () => always;
  }
  const low = Number(BigInt.asIntN(32, stored));
  const high = Number(BigInt.asIntN(32, stored >> 32n));
  return comparison(number, by, { ...number, low: () => low, high: () => high });
}

export function comparison({ low, high, signed }: Integer, by: Comparison, other: Integer): Predicate {
  if (by === "==") return (record) => low(record) === other.low(record) && high(record) === other.high(record);
  if (by === "!=") return (record) => low(record) !== other.low(record) || high(record) !== other.high(record);
  const order = (record: EventRecord): number => {
    const mine = high(record);
    const theirs = other.high(record);
    if (mine !== theirs) return signed ? mine - theirs : (mine >>> 0) - (theirs >>> 0);
    return (low(record) >>> 0) - (other.low(record) >>> 0);
  };
  if (by === "<") return (record) => order(record) < 0;
  if (by === "<=") return (record) => order(record) <= 0;
  if (by === ">") return (record) => order(record) > 0;
  return (record) => order(record) >= 0;
}
