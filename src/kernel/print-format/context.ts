/** What compiling a print fmt needs beside the text. */
import type { EventFormat } from "../event-format.ts";
import type { PrintkFormats } from "../printk-formats.ts";
import type { SymbolTable } from "../symbols.ts";

export type CompileContext = {
  format: EventFormat;
  longBytes: 4 | 8;
  littleEndian: boolean;
  symbols: SymbolTable;
  printk: PrintkFormats;
};
