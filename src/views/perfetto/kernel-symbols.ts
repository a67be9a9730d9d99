/** Names of kernel functions, each written once and then referred to by number. */
import type { SymbolTable } from "../../events/symbols.ts";

/** Functions that a hostile recording may name; a kernel has a quarter of a million. */
const symbolsMost = 262_144;

export class KernelSymbols {
  readonly #table: SymbolTable;
  /** By the symbol's index. */
  readonly #numbers = new Map<number, number>();
  /** Names that appeared since the last call. */
  newNames: { number: number; name: string }[] = [];

  constructor(table: SymbolTable) {
    this.#table = table;
  }

  /** From 1 on; 0 for an address outside all known functions. */
  number(high: number, low: number): number {
    const index = this.#table.find(high, low);
    if (index < 0) return 0;
    const known = this.#numbers.get(index);
    if (known !== undefined) return known;
    if (this.#numbers.size >= symbolsMost) return 0;
    const number = this.#numbers.size + 1;
    this.#numbers.set(index, number);
    this.newNames.push({ number, name: this.#table.name(index) });
    return number;
  }
}
