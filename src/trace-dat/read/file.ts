/** A trace.dat as bytes, in a file or in memory. */
import { foreignText } from "../../base/foreign-text.ts";
import { AgentError } from "../../base/errors.ts";
import { SharedDescriptor } from "./shared-descriptors.ts";
import { TableBudget } from "./table-budget.ts";

export type TraceFile = {
  readonly path: string;
  readonly size: number;
  /** Bytes read into `target`, fewer only at the end. */
  readAt(target: Uint8Array, position: number): number;
  damaged(what: string): AgentError;
  /** Memory that its tables, packed and unpacked, may still take. */
  readonly budget: TableBudget;
  close(): void;
};

/** Throws an AgentError. */
export function openTraceFile(path: string): TraceFile {
  const descriptor = new SharedDescriptor(path);
  return {
    path,
    size: descriptor.size,
    readAt: (target, position) => descriptor.readAt(target, position),
    damaged: (what) => new AgentError("input", `cannot read "${path}": the file is damaged: ${foreignText(what)}`),
    budget: new TableBudget(),
    close: () => descriptor.close(),
  };
}

/** Bytes of a file that were already read or unpacked. */
export function memoryFile(
  path: string,
  content: Uint8Array<ArrayBuffer>,
  budget = new TableBudget(),
): TraceFile & { content: Uint8Array<ArrayBuffer> } {
  return {
    path,
    content,
    size: content.length,
    readAt: (target, position) => {
      const part = content.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
    damaged: (what) => new AgentError("input", `cannot read "${path}": the file is damaged: ${foreignText(what)}`),
    budget,
    close: () => {},
  };
}
