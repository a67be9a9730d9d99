/** A column of a table that is being filled: values by row, in typed arrays that grow with the table. */
import type { Memory } from "./memory.ts";
import type { Kind, Scratch, Values } from "./values.ts";

export abstract class Column {
  readonly name: string;
  readonly kind: Kind;
  /** By row 1 for null; undefined as long as none is. */
  #nulls: Uint8Array | undefined;
  #capacity = 0;
  #memory: Memory | undefined;
  /** Bytes that the memory counts. */
  #held = 0;

  constructor(name: string, kind: Kind) {
    this.name = name;
    this.kind = kind;
  }

  /** Bytes that it holds. */
  protected abstract get heldBytes(): number;

  /** Keeps the rows that fit. */
  protected abstract resizeTo(capacity: number): void;

  /** The values of the first `rows` rows. */
  abstract encode(rows: number, scratch: Scratch): Values;

  /** Makes room for so many rows; fewer than before only when no row is held. */
  resize(capacity: number, memory: Memory): void {
    this.resizeTo(capacity);
    this.#capacity = capacity;
    this.#memory = memory;
    if (this.#nulls !== undefined) {
      const old = this.#nulls;
      this.#nulls = new Uint8Array(capacity);
      this.#nulls.set(old.subarray(0, capacity));
    }
    this.account();
  }

  setNull(row: number): void {
    this.#nulls ??= new Uint8Array(this.#capacity);
    this.#nulls[row] = 1;
  }

  /** Begins at row 0 again. */
  clear(): void {
    this.#nulls = undefined;
  }

  /** After what it holds has grown or shrunk. */
  protected account(): void {
    const held = this.heldBytes;
    this.#memory?.add(held - this.#held);
    this.#held = held;
  }

  protected presentOf(rows: number): Uint8Array | undefined {
    const nulls = this.#nulls;
    return nulls === undefined ? undefined : nulls.subarray(0, rows).map((isNull) => 1 - isNull);
  }
}
