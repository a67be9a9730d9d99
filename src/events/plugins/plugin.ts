/**
 * Plugins: code for events whose text their print fmt does not give, as in trace-cmd's plugins. A new one is a file in this
 * folder and a line in table.ts; memory.ts shows each step. The fixtures compare their text with trace-cmd's (test/fixtures).
 */
import { type EventField, findField } from "../event-format.ts";
import type { CompileContext } from "../print-format/context.ts";
import type { Printer } from "../print-format/printer.ts";
import { fieldNode, type NumberNode } from "../print-format/number-node.ts";
import type { TaskNames } from "../task-names.ts";

export type PluginContext = CompileContext & {
  tasks: TaskNames;
  /** The text by the event's print fmt. */
  general: Printer;
};

/** Undefined if the format lacks a field that the text needs. */
export type Plugin = (context: PluginContext) => Printer | undefined;

export function plainField(context: CompileContext, name: string): NumberNode | undefined {
  const field = findField(context.format, name);
  return field === undefined || field.array ? undefined : fieldNode(field, context);
}

export function textField(context: CompileContext, name: string): EventField | undefined {
  const field = findField(context.format, name);
  return field?.array === true && field.dynamic === "" ? field : undefined;
}
