/** What a printer of one of the events that have a text of their own, as trace-cmd's plugins give them, is made with. */
import { type EventField, findField } from "../event-format.ts";
import type { CompileContext } from "../print-format/context.ts";
import type { Printer } from "../print-format/compile.ts";
import { fieldNode, type NumberNode } from "../print-format/number-node.ts";
import type { TaskNames } from "../task-names.ts";

export type KnownEventContext = CompileContext & {
  tasks: TaskNames;
  /** The text by the event's print fmt. */
  general: Printer;
};

/** Undefined where the format lacks a field that the text needs. */
export type KnownEvent = (context: KnownEventContext) => Printer | undefined;

export function plainField(context: CompileContext, name: string): NumberNode | undefined {
  const field = findField(context.format, name);
  return field === undefined || field.array ? undefined : fieldNode(field, context);
}

export function textField(context: CompileContext, name: string): EventField | undefined {
  const field = findField(context.format, name);
  return field?.array === true && field.dynamic === "" ? field : undefined;
}
