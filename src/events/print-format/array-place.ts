/** Locates an array whose address a print fmt passes to a function or to %ph, %pM, %pI and the like. */
import { type EventField, findField } from "../event-format.ts";
import { type ArrayPlace, fieldPlace } from "../field-array.ts";
import type { CompileContext } from "./context.ts";
import { type Expression, PrintFormatError } from "./expression.ts";
import { compileNumber, dynamicField, typeSize } from "./number.ts";
import type { NumberNode } from "./number-node.ts";

/** `elementBytes`: what pointer arithmetic counts in. */
type TypedPlace = ArrayPlace & { elementBytes: number };

/** Throws a PrintFormatError for what is no array. */
export function arrayPlace(expression: Expression, context: CompileContext): ArrayPlace {
  return typedPlace(expression, context);
}

function typedPlace(expression: Expression, context: CompileContext): TypedPlace {
  switch (expression.kind) {
    case "cast": {
      const place = typedPlace(expression.item, context);
      return { ...place, elementBytes: pointedBytes(expression.type, place, context) };
    }
    case "unary":
      if (expression.operator === "&") return typedPlace(expression.item, context);
      break;
    case "index":
      return moved(typedPlace(expression.array, context), compileNumber(expression.index, context), 1);
    case "binary": {
      const { operator, left, right } = expression;
      if (operator === "-") return moved(typedPlace(left, context), compileNumber(right, context), -1);
      if (operator !== "+") break;
      if (isArray(left)) return moved(typedPlace(left, context), compileNumber(right, context), 1);
      return moved(typedPlace(right, context), compileNumber(left, context), 1);
    }
    case "field": {
      const field = findField(context.format, expression.name);
      if (field === undefined) throw new PrintFormatError(`no field "${expression.name}"`);
      return placeOf(field, context);
    }
    case "call":
      if (/^__get_(?:rel_)?(?:dynamic_array|sockaddr|sockaddr_rel|str)$/.test(expression.name))
        return placeOf(dynamicField(expression.arguments, context), context);
      break;
    default:
  }
  throw new PrintFormatError("an array is neither a field nor dynamic");
}

/** A cast to a number, as to a pointer to void, counts in bytes. */
function pointedBytes(type: string, { elementBytes }: TypedPlace, { longBytes }: CompileContext): number {
  return !type.endsWith("*") || /\bvoid\b/.test(type) ? 1 : typeSize(type, elementBytes, longBytes);
}

function placeOf(field: EventField, { littleEndian }: CompileContext): TypedPlace {
  return { ...fieldPlace(field, littleEndian), elementBytes: field.elementSize };
}

/** Whether it is an address, not a number that is added to one. */
function isArray(expression: Expression): boolean {
  switch (expression.kind) {
    case "cast":
      return isArray(expression.item);
    case "unary":
      return expression.operator === "&";
    case "binary":
      return isArray(expression.left) || isArray(expression.right);
    case "call":
      return !expression.name.endsWith("_len");
    default:
      return expression.kind === "field" || expression.kind === "index";
  }
}

/** Nothing is there if it is moved out of the array. */
function moved(place: TypedPlace, by: NumberNode, sign: 1 | -1): TypedPlace {
  if (by.constant === 0n) return place;
  const step = sign * place.elementBytes;
  return {
    offset: (record) => place.offset(record) + Math.max(0, by.low(record) * step),
    bytes: (record) => {
      const moves = by.low(record) * step;
      return moves < 0 ? 0 : Math.max(0, place.bytes(record) - moves);
    },
    elementBytes: place.elementBytes,
  };
}
