/** What compiling a print fmt needs besides the text. */
import type { EventFormat } from "../event-format.ts";
import type { Evaluation } from "./number-node.ts";
import type { PrintkFormats } from "../printk-formats.ts";
import type { SymbolTable } from "../symbols.ts";

export type CompileContext = {
  format: EventFormat;
  longBytes: 4 | 8;
  littleEndian: boolean;
  symbols: SymbolTable;
  printk: PrintkFormats;
  /** Evaluation state of the printer being compiled, which sets it when it begins another event. */
  evaluation?: Evaluation;
};
