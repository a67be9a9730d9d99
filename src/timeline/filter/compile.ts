/** A filter's expression for the events of one kind: the fields are looked up once, comparing reads the event. */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import { type EventField, findField } from "../../events/event-format.ts";
import type { EventRecord } from "../../events/event-record.ts";
import type { Comparison, FilterNode, FilterNumber, TextComparison } from "./parse.ts";
import {
  arithmetic,
  comparison,
  constantInteger,
  type Integer,
  integerOf,
  integerTest,
  isNotZero,
  type Predicate,
} from "./integers.ts";
import { textOfField, textTest } from "./texts.ts";

/** A field that cannot be compared so, and why ("missing", or "is ..."): the comparison is false, as trace-cmd has it. */
export type Misfit = { field: string; why: string };

type Context = { kind: EventType; catalog: EventCatalog; misfits: Misfit[] };

/** trace-cmd's names of what every event has and no format tells. */
const cpuName = "CPU";
const taskName = "COMM";
const ownNames: ReadonlySet<string> = new Set([cpuName, taskName]);

/** `misfits` is filled. */
export function compileFilter(
  node: FilterNode,
  kind: EventType,
  catalog: EventCatalog,
  misfits: Misfit[] = [],
): Predicate {
  return compileNode(node, { kind, catalog, misfits });
}

/** The fields that a filter names. */
export function fieldsOf(node: FilterNode): string[] {
  if (node.kind === "not") return fieldsOf(node.of);
  if (node.kind === "compareText") return [node.field].filter((name) => !ownNames.has(name));
  return [...fieldsOfSide(node.left), ...fieldsOfSide(node.right)].filter((name) => !ownNames.has(name));
}

function fieldsOfSide(side: FilterNode | FilterNumber): string[] {
  if (side.kind === "field") return [side.name];
  return side.kind === "number" ? [] : fieldsOf(side);
}

function compileNode(node: FilterNode, context: Context): Predicate {
  if (node.kind === "compareText") return compileText(node.field, node.by, node.text, context);
  if (node.kind === "compare") return compileNumbers(node.left, node.by, node.right, context);
  if (node.kind === "arithmetic") {
    const number = numberOf(node, context);
    return number === undefined ? never : within(number.fields, isNotZero(number));
  }
  if (node.kind === "not") {
    const of = compileNode(node.of, context);
    return (record) => !of(record);
  }
  const left = compileNode(node.left, context);
  const right = compileNode(node.right, context);
  return node.kind === "and" ? (record) => left(record) && right(record) : (record) => left(record) || right(record);
}

const never: Predicate = () => false;

function compileText(name: string, by: TextComparison, wanted: string, context: Context): Predicate {
  const { kind, catalog } = context;
  const field = findField(kind.format, name);
  const refuse = (why: string): Predicate => {
    misfit(context, name, why);
    return never;
  };
  if (field === undefined && name === cpuName) return refuse("is a number");
  if (field === undefined && name !== taskName) return refuse("missing");
  const text =
    field === undefined
      ? (record: EventRecord) => Buffer.from(catalog.tasks.get(catalog.pidOf(record))).toString("latin1")
      : textOfField(field, kind, catalog);
  if (text === undefined) return refuse("is an array of numbers");
  const test = textTest(by, wanted);
  return within(field === undefined ? [] : [field], (record) => test(text(record)));
}

/** What is computed, and the fields that it reads. */
type Computed = Integer & { readonly fields: readonly EventField[] };

const mirrored: Record<Comparison, Comparison> = { "<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!=" };

function compileNumbers(left: FilterNumber, by: Comparison, right: FilterNumber, context: Context): Predicate {
  if (left.kind === "number" && right.kind !== "number") return compileNumbers(right, mirrored[by], left, context);
  const number = numberOf(left, context);
  if (right.kind === "number")
    return number === undefined ? never : within(number.fields, integerTest(number, by, right.value));
  const other = numberOf(right, context);
  if (number === undefined || other === undefined) return never;
  return within([...number.fields, ...other.fields], comparison(number, by, other));
}

/** Undefined for what cannot be computed, which is noted. */
function numberOf(term: FilterNumber, context: Context): Computed | undefined {
  if (term.kind === "number") return { ...constantInteger(term.value), fields: [] };
  if (term.kind === "arithmetic") {
    const [left, right] = [numberOf(term.left, context), numberOf(term.right, context)];
    if (left === undefined || right === undefined) return undefined;
    return { ...arithmetic(term.operator, left, right), fields: [...left.fields, ...right.fields] };
  }
  const { kind, catalog } = context;
  const field = findField(kind.format, term.name);
  if (field === undefined) {
    if (term.name === cpuName) return { ...cpuNumber, fields: [] };
    return misfit(context, term.name, term.name === taskName ? noNumber : "missing");
  }
  const number = integerOf(field, catalog.metadata.layout.littleEndian);
  if (number === undefined) return misfit(context, term.name, field.string ? noNumber : "is an array");
  return { ...number, fields: [field] };
}

const noNumber = "is a text, and is compared with one in quotes";

function misfit(context: Context, field: string, why: string): undefined {
  context.misfits.push({ field, why });
}

const cpuNumber: Integer = { low: (record) => record.cpu, high: () => 0, signed: false, bytes: 4 };

/** An event that is cut short has not all its fields. */
function within(fields: readonly EventField[], test: Predicate): Predicate {
  if (fields.length === 0) return test;
  const end = Math.max(...fields.map(({ offset, size }) => offset + size));
  return (record) => end <= record.size && test(record);
}
