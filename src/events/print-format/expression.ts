/** The C expressions of a print fmt's arguments, as the parser produces and the compilers consume them. */
import type { Slot } from "./slot.ts";

export type Expression =
  | { kind: "number"; value: bigint }
  | { kind: "string"; text: string }
  /** Of trace_printk(): not the parser's. */
  | { kind: "slot"; slot: Slot }
  /** REC->name. */
  | { kind: "field"; name: string }
  /** An enum's constant or a symbol that the kernel left in the text. */
  | { kind: "name"; name: string }
  | { kind: "cast"; type: string; item: Expression }
  | { kind: "unary"; operator: string; item: Expression }
  | { kind: "binary"; operator: string; left: Expression; right: Expression }
  | { kind: "condition"; test: Expression; yes: Expression; no: Expression }
  | { kind: "index"; array: Expression; index: Expression }
  | { kind: "call"; name: string; arguments: Expression[] }
  /** { value, "text" } of a table of flags or symbols. */
  | { kind: "pair"; value: Expression; text: string | undefined };

/** A print fmt that is not understood: its events are shown as name=value. Caught where formats are compiled. */
export class PrintFormatError extends Error {
  override readonly name = "PrintFormatError";
}
