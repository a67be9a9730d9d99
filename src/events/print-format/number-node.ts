/**
 * A number that is computed for an event: a u64 as a pair of functions for its halves, each an int32, since most are never
 * more than 32 bits wide, and doubles and bigints would be inexact or slow.
 */
import type { EventField, EventFormat } from "../event-format.ts";
import type { EventRecord } from "../event-record.ts";

export type Reader = (record: EventRecord) => number;

export type NumberNode = {
  readonly low: Reader;
  readonly high: Reader;
  /** `high` is always 0. */
  readonly narrow: boolean;
  /** Set if it is always the same. */
  readonly constant: bigint | undefined;
  /** Where in every event of its type it lies, if it is a number there as it is. */
  readonly place?: { readonly offset: number; readonly size: number };
  /** How many fields are read, about, to get both halves; more than 1 only where an expression makes it so. */
  readonly cost?: number;
};

/** Says which event numbers are computed for: those that are kept are good for one. `keeps`: there are such numbers. */
export type Evaluation = { event: number; keeps: boolean };

const zero: Reader = () => 0;

export function constantNode(value: bigint): NumberNode {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  return {
    low: () => low,
    high: high === 0 ? zero : () => high,
    narrow: high === 0,
    constant: BigInt.asUintN(64, value),
  };
}

export const narrowNode = (low: Reader): NumberNode => ({ low, high: zero, narrow: true, constant: undefined });

export const truthNode = (test: (record: EventRecord) => boolean): NumberNode =>
  narrowNode((record) => (test(record) ? 1 : 0));

export function truthOf(node: NumberNode): (record: EventRecord) => boolean {
  const { low, high } = node;
  return node.narrow ? (record) => low(record) !== 0 : (record) => (low(record) | high(record)) !== 0;
}

/** A number at an offset from the event's start. */
export function readNode(offset: Reader | number, size: number, littleEndian: boolean): NumberNode {
  const at: Reader =
    typeof offset === "number" ? (record) => record.at + offset : (record) => record.at + offset(record);
  // Whoever asks for a place inside the event gets it; one that reaches out of the event is 0.
  const safe = (read: Reader): Reader => {
    if (typeof offset === "number") return read;
    return (record) => {
      const from = offset(record);
      return from < 0 || from + size > record.size ? 0 : read(record);
    };
  };
  const place = typeof offset === "number" ? { place: { offset, size } } : {};
  const narrow = (read: Reader): NumberNode => ({ ...narrowNode(safe(read)), ...place });
  if (size === 1) return narrow((record) => record.view.getUint8(at(record)));
  if (size === 2) return narrow((record) => record.view.getUint16(at(record), littleEndian));
  if (size === 4) return narrow((record) => record.view.getInt32(at(record), littleEndian));
  if (size !== 8) return constantNode(0n);
  const [lowAt, highAt] = littleEndian ? [0, 4] : [4, 0];
  return {
    low: safe((record) => record.view.getInt32(at(record) + lowAt, littleEndian)),
    high: safe((record) => record.view.getInt32(at(record) + highAt, littleEndian)),
    narrow: false,
    constant: undefined,
    ...place,
  };
}

export const costOf = ({ cost, constant }: NumberNode): number => (constant !== undefined ? 0 : (cost ?? 1));

/**
 * The same number, computed once per event however often it is read: an operator reads its operands several times, so
 * that a chain of n operators would read the first one some 4^n times.
 */
export function sharedNode(node: NumberNode, evaluation: Evaluation): NumberNode {
  evaluation.keeps = true;
  let event = -1;
  let low = 0;
  let high = 0;
  const compute = (record: EventRecord): void => {
    if (event === evaluation.event) return;
    low = node.low(record);
    high = node.narrow ? 0 : node.high(record);
    event = evaluation.event;
  };
  const lowReader: Reader = (record) => {
    compute(record);
    return low;
  };
  const highReader: Reader = (record) => {
    compute(record);
    return high;
  };
  return { low: lowReader, high: node.narrow ? zero : highReader, narrow: node.narrow, constant: undefined, cost: 2 };
}

export function fieldNode(
  field: EventField,
  context: { format: Pick<EventFormat, "minBytes">; littleEndian: boolean },
): NumberNode {
  // An event holds all fields within its format's least size; the array that a tracer's event ends with may be cut.
  const { offset, size } = field;
  return readNode(offset + size > context.format.minBytes ? () => offset : offset, size, context.littleEndian);
}

export function wide(node: NumberNode, record: EventRecord): bigint {
  return (BigInt(node.high(record) >>> 0) << 32n) | BigInt(node.low(record) >>> 0);
}

/** Not the value, but that there is one: `folded` asks for it. */
export function constantOf(...nodes: NumberNode[]): bigint | undefined {
  return nodes.every((node) => node.constant !== undefined) ? 0n : undefined;
}

/** Computes once what is made of constants alone. */
export function folded(node: NumberNode, ...items: NumberNode[]): NumberNode {
  const fixed = items.length > 0 ? constantOf(...items) : node.constant;
  if (fixed === undefined) return { ...node, constant: undefined };
  const nothing = {} as EventRecord; // oxlint-disable-line typescript/no-unsafe-type-assertion -- constants read no event
  return constantNode((BigInt(node.high(nothing) >>> 0) << 32n) | BigInt(node.low(nothing) >>> 0));
}
