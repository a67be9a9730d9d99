/** C's operators on numbers of 64 bits, as trace-cmd computes them: unsigned, except where a format says otherwise. */
import type { EventRecord } from "../event-record.ts";
import { PrintFormatError } from "./expression.ts";
import {
  constantNode,
  constantOf,
  costOf,
  folded,
  narrowNode,
  type NumberNode,
  type Reader,
  truthNode,
  truthOf,
  wide,
} from "./number-node.ts";

const two32 = 2 ** 32;

export function castNode(item: NumberNode, type: string): NumberNode {
  return { ...plainCast(item, type), cost: costOf(item) };
}

function plainCast(item: NumberNode, type: string): NumberNode {
  const bits = castBits(type);
  if (bits === 64) return item;
  const { low } = item;
  if (bits === 32) return item.narrow ? item : folded(narrowNode(low), item);
  const mask = bits === 8 ? 0xff : 0xffff;
  return folded(
    narrowNode((record) => low(record) & mask),
    item,
  );
}

export function castBits(type: string): 8 | 16 | 32 | 64 {
  const plain = type.replace(/^(?:const |unsigned |signed )+/, "");
  if (/^(?:_*[us]8|u?int8_t|char|bool)$/.test(plain)) return 8;
  if (/^(?:_*[us]16|u?int16_t|short)$/.test(plain)) return 16;
  return /^(?:_*[us]32|u?int32_t|int|unsigned)$/.test(plain) ? 32 : 64;
}

export function unaryNode(operator: string, item: NumberNode): NumberNode {
  return { ...plainUnary(operator, item), cost: 2 * costOf(item) + 1 };
}

function plainUnary(operator: string, item: NumberNode): NumberNode {
  const { low, high } = item;
  const isTrue = truthOf(item);
  switch (operator) {
    case "+":
      return item;
    case "!":
      return folded(
        truthNode((record) => !isTrue(record)),
        item,
      );
    case "~":
      return folded(
        { low: (record) => ~low(record), high: (record) => ~high(record), narrow: false, constant: undefined },
        item,
      );
    case "-":
      return folded(binaryNode("-", constantNode(0n), item), item);
    default:
      throw new PrintFormatError(`unary "${operator}"`);
  }
}

/** How often an operator reads its operands, at most: a sum's high half needs the low ones too, a quotient is computed twice. */
const readings = new Map([
  ...["+", "-", "<", ">", "<=", ">="].map((operator) => [operator, 2] as const),
  ...["<<", ">>"].map((operator) => [operator, 4] as const),
  ...["*", "/", "%"].map((operator) => [operator, 4] as const),
]);

export function binaryNode(operator: string, left: NumberNode, right: NumberNode): NumberNode {
  const cost = (readings.get(operator) ?? 1) * (costOf(left) + costOf(right)) + 1;
  return { ...plainBinary(operator, left, right), cost };
}

function plainBinary(operator: string, left: NumberNode, right: NumberNode): NumberNode {
  const both = (low: Reader, high: Reader, narrow = left.narrow && right.narrow): NumberNode =>
    narrow
      ? { ...narrowNode(low), constant: constantOf(left, right) }
      : { low, high, narrow: false, constant: constantOf(left, right) };
  const { low: l, high: lh } = left;
  const { low: r, high: rh } = right;
  switch (operator) {
    case "&":
      return both(
        (record) => l(record) & r(record),
        (record) => lh(record) & rh(record),
        left.narrow || right.narrow,
      );
    case "|":
      return both(
        (record) => l(record) | r(record),
        (record) => lh(record) | rh(record),
      );
    case "^":
      return both(
        (record) => l(record) ^ r(record),
        (record) => lh(record) ^ rh(record),
      );
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
      return {
        ...truthNode((record) => l(record) === r(record) && lh(record) === rh(record)),
        constant: constantOf(left, right),
      };
    case "!=":
      return {
        ...truthNode((record) => l(record) !== r(record) || lh(record) !== rh(record)),
        constant: constantOf(left, right),
      };
    case "<":
    case ">":
    case "<=":
    case ">=":
      return { ...comparisonNode(operator, left, right), constant: constantOf(left, right) };
    default:
      return { ...divisionNode(operator, left, right), constant: constantOf(left, right) };
  }
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
