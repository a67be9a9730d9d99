/** A filter's expression for the events of one kind: the fields are looked up once, comparing reads the event. */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import { type EventField, findField } from "../../events/event-format.ts";
import type { EventRecord } from "../../events/event-record.ts";
import type { Comparison, FilterNode, FilterValue } from "./parse.ts";
import { integerOf, integersCompared, integerTest, type Predicate } from "./integers.ts";
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
  if (node.kind !== "compare") return [...fieldsOf(node.left), ...fieldsOf(node.right)];
  const names = [node.field, ...(node.value.kind === "field" ? [node.value.name] : [])];
  return names.filter((name) => !ownNames.has(name));
}

function compileNode(node: FilterNode, context: Context): Predicate {
  if (node.kind === "compare") return compileComparison(node.field, node.by, node.value, context);
  if (node.kind === "not") {
    const of = compileNode(node.of, context);
    return (record) => !of(record);
  }
  const left = compileNode(node.left, context);
  const right = compileNode(node.right, context);
  return node.kind === "and" ? (record) => left(record) && right(record) : (record) => left(record) || right(record);
}

const never: Predicate = () => false;

function compileComparison(name: string, by: Comparison, value: FilterValue, context: Context): Predicate {
  const { kind, catalog } = context;
  const field = findField(kind.format, name);
  const misfit = (why: string): Predicate => {
    context.misfits.push({ field: name, why });
    return never;
  };
  if (field === undefined && !ownNames.has(name)) return misfit("missing");
  if (value.kind === "text") {
    if (name === cpuName && field === undefined) return misfit("is a number");
    const text =
      field === undefined
        ? (record: EventRecord) => Buffer.from(catalog.tasks.get(catalog.pidOf(record))).toString("latin1")
        : textOfField(field, kind, catalog);
    if (text === undefined) return misfit("is an array of numbers");
    const test = textTest(by, value.text);
    return within(field, (record) => test(text(record)));
  }
  if (name === taskName && field === undefined) return misfit("is a text, and is compared with one in quotes");
  const { littleEndian } = catalog.metadata.layout;
  const number = field === undefined ? { ...cpuNumber } : integerOf(field, littleEndian);
  if (number === undefined)
    return misfit(field?.string === true ? "is a text, and is compared with one in quotes" : "is an array");
  if (value.kind === "number") return within(field, integerTest(number, by, value.value));
  const otherField = findField(kind.format, value.name);
  if (otherField === undefined) {
    context.misfits.push({ field: value.name, why: "missing" });
    return never;
  }
  const other = integerOf(otherField, littleEndian);
  if (other === undefined) {
    context.misfits.push({ field: value.name, why: "is no number" });
    return never;
  }
  return within(field, within(otherField, integersCompared(number, by, other)));
}

const cpuNumber = { low: (record: EventRecord) => record.cpu, high: () => 0, signed: false, bytes: 4 };

/** An event that is cut short has not all its fields. */
function within(field: EventField | undefined, test: Predicate): Predicate {
  if (field === undefined) return test;
  const end = field.offset + field.size;
  return (record) => end <= record.size && test(record);
}
