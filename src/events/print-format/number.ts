/**
 * C expressions -> functions that compute them for an event. C computes them in u64 here, as trace-cmd does: a field is
 * read unsigned, whatever its sign.
 */
import { eventLimits } from "../limits.ts";
import { type EventField, findField } from "../event-format.ts";
import type { CompileContext } from "./context.ts";
import { dynamicLength, dynamicOffset } from "./dynamic.ts";
import { type Expression, PrintFormatError } from "./expression.ts";
import {
  constantNode,
  costOf,
  fieldNode,
  folded,
  narrowNode,
  type NumberNode,
  readNode,
  sharedNode,
  truthOf,
} from "./number-node.ts";
import { binaryNode, castBits, castNode, unaryNode } from "./operators.ts";

/** Constants that the kernel leaves in formats by name (enum values without TRACE_DEFINE_ENUM). */
const knownNames: Record<string, bigint> = {
  HI_SOFTIRQ: 0n,
  TIMER_SOFTIRQ: 1n,
  NET_TX_SOFTIRQ: 2n,
  NET_RX_SOFTIRQ: 3n,
  BLOCK_SOFTIRQ: 4n,
  IRQ_POLL_SOFTIRQ: 5n,
  TASKLET_SOFTIRQ: 6n,
  SCHED_SOFTIRQ: 7n,
  HRTIMER_SOFTIRQ: 8n,
  RCU_SOFTIRQ: 9n,
  HRTIMER_NORESTART: 0n,
  HRTIMER_RESTART: 1n,
};

export function nameValue(name: string): bigint | undefined {
  return Object.hasOwn(knownNames, name) ? knownNames[name] : undefined;
}

/** Throws a PrintFormatError for what is not understood. */
export function compileNumber(expression: Expression, context: CompileContext): NumberNode {
  const node = numberNode(expression, context);
  if (costOf(node) <= eventLimits.sharedCost) return node;
  if (context.evaluation === undefined) throw new PrintFormatError("an expression that costs too much");
  return sharedNode(node, context.evaluation);
}

function numberNode(expression: Expression, context: CompileContext): NumberNode {
  switch (expression.kind) {
    case "number":
      return constantNode(expression.value);
    case "slot": {
      const { slot } = expression;
      return { low: () => slot.low, high: () => slot.high, narrow: false, constant: undefined };
    }
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
      return folded(
        binaryNode(
          expression.operator,
          compileNumber(expression.left, context),
          compileNumber(expression.right, context),
        ),
      );
    case "condition": {
      const condition = compileNumber(expression.test, context);
      const test = truthOf(condition);
      // GNU C's `a ?: b` has one operand in two places: nested, it would be compiled 2^n times.
      const yes = expression.yes === expression.test ? condition : compileNumber(expression.yes, context);
      const no = compileNumber(expression.no, context);
      return {
        low: (record) => (test(record) ? yes.low(record) : no.low(record)),
        high: (record) => (test(record) ? yes.high(record) : no.high(record)),
        narrow: yes.narrow && no.narrow,
        constant: undefined,
        cost: 2 * costOf(condition) + costOf(yes) + costOf(no) + 1,
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
    const fixed = index.constant === undefined ? undefined : offset + Number(index.constant) * elementSize;
    // An event holds what lies within its format's least size: such a place needs no look at the event's own.
    const isInside = fixed !== undefined && fixed >= 0 && fixed + elementSize <= context.format.minBytes;
    node = readNode(
      isInside ? fixed : (record) => offset + index.low(record) * elementSize,
      elementSize,
      context.littleEndian,
    );
  } else if (item.kind === "call" && /^__get_(?:rel_)?dynamic_array$/.test(item.name)) {
    const field = dynamicField(item.arguments, context);
    const size = typeSize(type, field.elementSize, context.longBytes);
    node = readNode(
      (record) => dynamicOffset(record, field, context.littleEndian) + index.low(record) * size,
      size,
      context.littleEndian,
    );
  } else {
    throw new PrintFormatError("index of what is no array");
  }
  // Both halves read the place.
  node = { ...node, cost: 4 * costOf(index) + 1 };
  return type === undefined ? node : castNode(node, pointedTo(type));
}

/** "u64 *" -> "u64". */
function pointedTo(type: string): string {
  return type.endsWith("*") ? type.slice(0, -1).trimEnd() : type;
}

/** The element's size by the pointer that the array is cast to, else by the field's declaration. */
export function typeSize(pointer: string | undefined, elementSize: number, longBytes: number): number {
  const type = pointer === undefined ? undefined : pointedTo(pointer).trim();
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
