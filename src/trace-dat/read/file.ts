/** A trace.dat as bytes, in a file or in memory. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { foreignText } from "../../base/foreign-text.ts";
import { placeError } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
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
  let fd: number;
  try {
    // A FIFO would be waited for.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    throw placeError(path, "open", cause);
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new AgentError("input", `cannot read "${path}": it is not a regular file`, {
      remedy: "a recording is read in any order, so it cannot come out of a pipe: name a trace.dat",
    });
  }
  return {
    path,
    size: stat.size,
    readAt: (target, position) => {
      let got = 0;
      while (got < target.length) {
        const bytes = readSync(fd, target, got, target.length - got, position + got);
        if (bytes === 0) break;
        got += bytes;
      }
      return got;
    },
    damaged: (what) => new AgentError("input", `cannot read "${path}": the file is damaged: ${foreignText(what)}`),
    budget: new TableBudget(),
    close: () => closeSync(fd),
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
