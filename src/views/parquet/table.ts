/** A table of a session: its columns are filled row by row, and written as a row group when they hold enough. */
import type { Column } from "./column.ts";
import { parquetLimits } from "./limits.ts";
import type { Memory } from "./memory.ts";
import type { ColumnHead, ParquetFile } from "./parquet-file.ts";
import type { Scratch } from "./values.ts";

/** Where the table lies: `guest` has a folder of its own below the table's. */
export type TableName = { table: string; guest: string };

export class Table {
  readonly name: TableName;
  readonly memory: Memory;
  /** Rows that are not written yet: the next one's number. */
  rows = 0;
  rowsWritten = 0;
  #capacity = 0;
  readonly #columns: readonly Column[];

  constructor(name: TableName, columns: readonly Column[], memory: Memory) {
    this.name = name;
    this.#columns = columns;
    this.memory = memory;
    this.#resize(parquetLimits.rowsAtFirst);
  }

  get heads(): readonly ColumnHead[] {
    return this.#columns;
  }

  /** The row that is filled next; it counts when rows is one more. */
  get next(): number {
    if (this.rows >= this.#capacity) this.#resize(Math.min(this.#capacity * 2, parquetLimits.groupRows));
    return this.rows;
  }

  /** Writes its rows and begins at row 0 again. */
  writeTo(file: ParquetFile, scratch: Scratch): void {
    const { rows } = this;
    if (rows === 0) return;
    file.writeGroup(this.#columns, rows, scratch);
    this.rowsWritten += rows;
    this.rows = 0;
    for (const column of this.#columns) column.clear();
  }

  /** Gives its memory back: the next rows need it again. */
  shrink(): void {
    this.#resize(parquetLimits.rowsAtFirst);
  }

  #resize(capacity: number): void {
    this.#capacity = capacity;
    for (const column of this.#columns) column.resize(capacity, this.memory);
  }
}
