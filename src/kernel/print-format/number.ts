/**
 * C expressions -> functions that compute them for an event. C computes them in u64 here, as trace-cmd does: a field is
 * read unsigned, whatever its sign. A u64 is a pair of functions for its halves, each an int32, since most are never more
 * than 32 bits wide, and doubles and bigints would be inexact or slow.
 */
import type { EventRecord } from "../event-record.ts";
import { type EventField, findField } from "../event-format.ts";
import type { CompileContext } from "./context.ts";
import { dynamicLength, dynamicOffset } from "./dynamic.ts";
import { type Expression, PrintFormatError } from "./expression.ts";

export type Reader = (record: EventRecord) => number;

export type NumberNode = {
  readonly low: Reader;
  readonly high: Reader;
  /** `high` is always 0. */
  readonly narrow: boolean;
  /** Set if it is always the same. */
  readonly constant: bigint | undefined;
};

const zero: Reader = () => 0;
const two32 = 2 ** 32;

export function constantNode(value: bigint): NumberNode {
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  return { low: () => low, high: high === 0 ? zero : () => high, narrow: high === 0, constant: BigInt.asUintN(64, value) };
}

const narrowNode = (low: Reader): NumberNode => ({ low, high: zero, narrow: true, constant: undefined });
const truthNode = (test: (record: EventRecord) => boolean): NumberNode => narrowNode((record) => (test(record) ? 1 : 0));

/** Constants that the kernel leaves in formats by name (enum values without TRACE_DEFINE_ENUM). */
const knownNames: Record<string, bigint> = {
  HI_SOFTIRQ: 0n, TIMER_SOFTIRQ: 1n, NET_TX_SOFTIRQ: 2n, NET_RX_SOFTIRQ: 3n, BLOCK_SOFTIRQ: 4n, IRQ_POLL_SOFTIRQ: 5n,
  TASKLET_SOFTIRQ: 6n, SCHED_SOFTIRQ: 7n, HRTIMER_SOFTIRQ: 8n, RCU_SOFTIRQ: 9n, HRTIMER_NORESTART: 0n, HRTIMER_RESTART: 1n,
};

export function nameValue(name: string): bigint | undefined {
  return Object.hasOwn(knownNames, name) ? knownNames[name] : undefined;
}

/** Throws a PrintFormatError for what is not understood. */
export function compileNumber(expression: Expression, context: CompileContext): NumberNode {
  switch (expression.kind) {
    case "number":
      return constantNode(expression.value);
    case "name":
      return constantNode(nameValue(expression.name) ?? context.symbols.addressOf(expression.name) ?? 0n);
    case "field": {
      const field = findField(context.format, expression.name);
      if (field === undefined) throw new PrintFormatError(`no field "${expression.name}"`);
      return fieldNode(field, context);
    }
    case "cast":
      return castNode(compileNumber(expression.item, context), expression.type);
    case "unary":
      return unaryNode(expression.operator, compileNumber(expression.item, context));
    case "binary":
      return folded(binaryNode(expression.operator, compileNumber(expression.left, context), compileNumber(expression.right, context)));
    case "condition": {
      const test = truthOf(compileNumber(expression.test, context));
      const yes = compileNumber(expression.yes, context);
      const no = compileNumber(expression.no, context);
      return {
        low: (record) => (test(record) ? yes.low(record) : no.low(record)),
        high: (record) => (test(record) ? yes.high(record) : no.high(record)),
        narrow: yes.narrow && no.narrow,
        constant: undefined,
      };
    }
    case "index":
      return indexNode(expression.array, compileNumber(expression.index, context), context);
    case "call":
      return callNode(expression.name, expression.arguments, context);
    default:
      return constantNode(0n);
  }
}

export function truthOf(node: NumberNode): (record: EventRecord) => boolean {
  const { low, high } = node;
  return node.narrow ? (record) => low(record) !== 0 : (record) => (low(record) | high(record)) !== 0;
}

/** A number that lies at an offset from the event's start. */
export function readNode(offset: Reader | number, size: number, littleEndian: boolean): NumberNode {
  const at: Reader = typeof offset === "number" ? (record) => record.at + offset : (record) => record.at + offset(record);
  // Whoever asks for a place inside the event gets it; one that reaches out of the event is 0.
  const safe = (read: Reader): Reader => {
    if (typeof offset === "number") return read;
    return (record) => {
      const from = offset(record);
      return from < 0 || from + size > record.size ? 0 : read(record);
    };
  };
  if (size === 1) return narrowNode(safe((record) => record.view.getUint8(at(record))));
  if (size === 2) return narrowNode(safe((record) => record.view.getUint16(at(record), littleEndian)));
  if (size === 4) return narrowNode(safe((record) => record.view.getInt32(at(record), littleEndian)));
  if (size !== 8) return constantNode(0n);
  const [lowAt, highAt] = littleEndian ? [0, 4] : [4, 0];
  return {
    low: safe((record) => record.view.getInt32(at(record) + lowAt, littleEndian)),
    high: safe((record) => record.view.getInt32(at(record) + highAt, littleEndian)),
    narrow: false,
    constant: undefined,
  };
}

export function fieldNode(field: EventField, context: CompileContext): NumberNode {
  return readNode(field.offset, field.size, context.littleEndian);
}

function castNode(item: NumberNode, type: string): NumberNode {
  const bits = castBits(type);
  if (bits === 64) return item;
  const { low } = item;
  if (bits === 32) return item.narrow ? item : folded(narrowNode(low), item);
  const mask = bits === 8 ? 0xff : 0xffff;
  return folded(narrowNode((record) => low(record) & mask), item);
}

function castBits(type: string): 8 | 16 | 32 | 64 {
  const plain = type.replace(/^(?:const |unsigned |signed )+/, "");
  if (/^(?:_*[us]8|u?int8_t|char|bool)$/.test(plain)) return 8;
  if (/^(?:_*[us]16|u?int16_t|short)$/.test(plain)) return 16;
  return /^(?:_*[us]32|u?int32_t|int|unsigned)$/.test(plain) ? 32 : 64;
}

function unaryNode(operator: string, item: NumberNode): NumberNode {
  const { low, high } = item;
  const isTrue = truthOf(item);
  switch (operator) {
    case "+":
      return item;
    case "!":
      return folded(truthNode((record) => !isTrue(record)), item);
    case "~":
      return folded({ low: (record) => ~low(record), high: (record) => ~high(record), narrow: false, constant: undefined }, item);
    case "-":
      return folded(binaryNode("-", constantNode(0n), item), item);
    default:
      throw new PrintFormatError(`unary "${operator}"`);
  }
}

function binaryNode(operator: string, left: NumberNode, right: NumberNode): NumberNode {
  const both = (low: Reader, high: Reader, narrow = left.narrow && right.narrow): NumberNode =>
    narrow ? { ...narrowNode(low), constant: constantOf(left, right) } : { low, high, narrow: false, constant: constantOf(left, right) };
  const { low: l, high: lh } = left;
  const { low: r, high: rh } = right;
  switch (operator) {
    case "&":
      return both((record) => l(record) & r(record), (record) => lh(record) & rh(record), left.narrow || right.narrow);
    case "|":
      return both((record) => l(record) | r(record), (record) => lh(record) | rh(record));
    case "^":
      return both((record) => l(record) ^ r(record), (record) => lh(record) ^ rh(record));
    case "+":
      return both(
        (record) => (l(record) + r(record)) | 0,
        (record) => (lh(record) + rh(record) + ((l(record) >>> 0) + (r(record) >>> 0) >= two32 ? 1 : 0)) | 0,
        false,
      );
    case "-":
      return both(
        (record) => (l(record) - r(record)) | 0,
        (record) => (lh(record) - rh(record) - (l(record) >>> 0 < r(record) >>> 0 ? 1 : 0)) | 0,
        false,
      );
    case "<<":
    case ">>":
      return shiftNode(operator, left, right);
    case "&&": {
      const [a, b] = [truthOf(left), truthOf(right)];
      return { ...truthNode((record) => a(record) && b(record)), constant: constantOf(left, right) };
    }
    case "||": {
      const [a, b] = [truthOf(left), truthOf(right)];
      return { ...truthNode((record) => a(record) || b(record)), constant: constantOf(left, right) };
    }
    case "==":
      return { ...truthNode((record) => l(record) === r(record) && lh(record) === rh(record)), constant: constantOf(left, right) };
    case "!=":
      return { ...truthNode((record) => l(record) !== r(record) || lh(record) !== rh(record)), constant: constantOf(left, right) };
    case "<":
    case ">":
    case "<=":
    case ">=":
      return { ...comparisonNode(operator, left, right), constant: constantOf(left, right) };
    default:
      return { ...divisionNode(operator, left, right), constant: constantOf(left, right) };
  }
}

/** Not the value, but that there is one: `folded` asks for it. */
function constantOf(...nodes: NumberNode[]): bigint | undefined {
  return nodes.every((node) => node.constant !== undefined) ? 0n : undefined;
}

/** Computes once what is made of constants alone. */
function folded(node: NumberNode, ...items: NumberNode[]): NumberNode {
  const fixed = items.length > 0 ? constantOf(...items) : node.constant;
  if (fixed === undefined) return { ...node, constant: undefined };
  const nothing = {} as EventRecord; // oxlint-disable-line typescript/no-unsafe-type-assertion -- constants read no event
  return constantNode((BigInt(node.high(nothing) >>> 0) << 32n) | BigInt(node.low(nothing) >>> 0));
}

function comparisonNode(operator: string, left: NumberNode, right: NumberNode): NumberNode {
  const compare: Reader = (record) => {
    const byHigh = (left.high(record) >>> 0) - (right.high(record) >>> 0);
    return byHigh !== 0 ? byHigh : (left.low(record) >>> 0) - (right.low(record) >>> 0);
  };
  if (operator === "<") return truthNode((record) => compare(record) < 0);
  if (operator === ">") return truthNode((record) => compare(record) > 0);
  if (operator === "<=") return truthNode((record) => compare(record) <= 0);
  return truthNode((record) => compare(record) >= 0);
}

function shiftNode(operator: "<<" | ">>", left: NumberNode, right: NumberNode): NumberNode {
  const { low: l, high: h } = left;
  const by: Reader = (record) => right.low(record) & 63;
  const constant = constantOf(left, right);
  if (operator === ">>") {
    const low: Reader = (record) => {
      const bits = by(record);
      if (bits >= 32) return h(record) >>> (bits - 32);
      return bits === 0 ? l(record) : (l(record) >>> bits) | (h(record) << (32 - bits));
    };
    const high: Reader = (record) => (by(record) >= 32 ? 0 : h(record) >>> by(record));
    return left.narrow ? { ...narrowNode(low), constant } : { low, high, narrow: false, constant };
  }
  return {
    low: (record) => (by(record) >= 32 ? 0 : l(record) << by(record)),
    high: (record) => {
      const bits = by(record);
      if (bits >= 32) return l(record) << (bits - 32);
      return bits === 0 ? h(record) : (h(record) << bits) | (l(record) >>> (32 - bits));
    },
    narrow: false,
    constant,
  };
}

/** "*", "/" and "%": in doubles where they are exact. A division by 0, which kills trace-cmd, gives 0. */
function divisionNode(operator: string, left: NumberNode, right: NumberNode): NumberNode {
  const small = (a: number, b: number): number => {
    if (operator === "*") return a * b;
    if (b === 0) return 0;
    return operator === "/" ? Math.floor(a / b) : a % b;
  };
  const large = (a: bigint, b: bigint): bigint => {
    if (operator === "*") return BigInt.asUintN(64, a * b);
    if (b === 0n) return 0n;
    return operator === "/" ? a / b : a % b;
  };
  if (!["*", "/", "%"].includes(operator)) throw new PrintFormatError(`operator "${operator}"`);
  const compute = (record: EventRecord): number | bigint => {
    const a = (left.high(record) >>> 0) * two32 + (left.low(record) >>> 0);
    const b = (right.high(record) >>> 0) * two32 + (right.low(record) >>> 0);
    const value = small(a, b);
    if (a <= Number.MAX_SAFE_INTEGER && b <= Number.MAX_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return value;
    return large(wide(left, record), wide(right, record));
  };
  return {
    low: (record) => {
      const value = compute(record);
      return typeof value === "number" ? value | 0 : Number(BigInt.asIntN(32, value));
    },
    high: (record) => {
      const value = compute(record);
      return typeof value === "number" ? Math.floor(value / two32) | 0 : Number(BigInt.asIntN(32, value >> 32n));
    },
    narrow: false,
    constant: undefined,
  };
}

export function wide(node: NumberNode, record: EventRecord): bigint {
  return (BigInt(node.high(record) >>> 0) << 32n) | BigInt(node.low(record) >>> 0);
}

/** An element of an array field or of a dynamic array, which may be cast to a pointer before. */
function indexNode(array: Expression, index: NumberNode, context: CompileContext): NumberNode {
  let type: string | undefined;
  let item = array;
  while (item.kind === "cast") {
    type ??= item.type;
    item = item.item;
  }
  let node: NumberNode;
  if (item.kind === "field") {
    const field = findField(context.format, item.name);
    if (field === undefined) throw new PrintFormatError(`no field "${item.name}"`);
    const { offset, elementSize } = field;
    node = readNode((record) => offset + index.low(record) * elementSize, elementSize, context.littleEndian);
  } else if (item.kind === "call" && /^__get_(?:rel_)?dynamic_array$/.test(item.name)) {
    const field = dynamicField(item.arguments, context);
    const size = typeSize(type, field.elementSize, context.longBytes);
    node = readNode((record) => dynamicOffset(record, field, context.littleEndian) + index.low(record) * size, size, context.littleEndian);
  } else {
    throw new PrintFormatError("index of what is no array");
  }
  return type === undefined ? node : castNode(node, type.replace(/ ?\*$/, ""));
}

/** The element's size by the pointer that the array is cast to, else by the field's declaration. */
function typeSize(pointer: string | undefined, elementSize: number, longBytes: number): number {
  const type = pointer?.replace(/ ?\*$/, "").trim();
  if (type === undefined) return elementSize;
  const bits = castBits(type);
  if (bits !== 64) return bits / 8;
  return /long(?: int)?$/.test(type) && !type.includes("long long") ? longBytes : elementSize;
}

export function dynamicField(list: readonly Expression[], context: CompileContext): EventField {
  const [item] = list;
  const name = item?.kind === "name" || item?.kind === "field" ? item.name : undefined;
  const field = name === undefined ? undefined : findField(context.format, name);
  if (field === undefined || field.dynamic === "") throw new PrintFormatError("no such dynamic array");
  return field;
}

function callNode(name: string, list: readonly Expression[], context: CompileContext): NumberNode {
  switch (name) {
    case "__get_dynamic_array_len":
    case "__get_rel_dynamic_array_len": {
      const field = dynamicField(list, context);
      return narrowNode((record) => dynamicLength(record, field, context.littleEndian));
    }
    case "sizeof":
      return constantNode(BigInt(sizeOf(list[0], context)));
    // jiffies_to_msecs: as trace-cmd's plugin does, since the recording does not say HZ.
    case "__builtin_expect":
    case "__builtin_constant_p":
    case "jiffies_to_msecs": {
      const [item] = list;
      if (item === undefined) throw new PrintFormatError(`${name}() of nothing`);
      return compileNumber(item, context);
    }
    case "__get_str":
    case "__get_rel_str":
    case "__get_dynamic_array":
    case "__get_rel_dynamic_array":
      return constantNode(0n);
    default:
      throw new PrintFormatError(`function ${name}()`);
  }
}

function sizeOf(item: Expression | undefined, context: CompileContext): number {
  if (item?.kind === "field") return findField(context.format, item.name)?.size ?? 0;
  if (item?.kind !== "string") throw new PrintFormatError("sizeof of an expression");
  if (item.text.endsWith("*") || /^(?:unsigned )?long(?: int)?$/.test(item.text)) return context.longBytes;
  const bits = castBits(item.text);
  if (bits === 64 && !/(?:64(?:_t)?|long long)$/.test(item.text)) throw new PrintFormatError(`sizeof(${item.text})`);
  return bits / 8;
}
