/**
 * The table of losses: from the CPU's last event before (`ts`) to the next one after it (`dur`); a null duration reaches to the
 * recording's end, a null count was not counted. `damaged`: what the file holds there cannot be read.
 */
import type { TimeBase } from "./event-table.ts";
import { FlagColumn } from "./flag-column.ts";
import { TimeColumn } from "./number-columns.ts";
import { type OpenTable, SpanColumns } from "./scheduling-tables.ts";
import type { Table } from "./table.ts";

export class LostTable {
  /** By CPU events that were lost, as far as they were counted, and how often they were not. */
  readonly counts = new Map<number, { events: number; unknown: number }>();
  readonly #span: SpanColumns;
  readonly #count = new TimeColumn("count");
  readonly #damaged = new FlagColumn("damaged");
  readonly #table: Table;
  readonly #tables: OpenTable;
  /** By CPU since when events are lost. */
  readonly #open = new Map<number, { since: number; isDamaged: boolean }>();

  constructor(base: TimeBase, tables: OpenTable) {
    this.#span = new SpanColumns(base);
    this.#table = tables.open("lost", [...this.#span.all, this.#count, this.#damaged]);
    this.#tables = tables;
  }

  /** `since`: time of the CPU's last event; NaN without any. */
  gap(cpu: number, since: number): void {
    if (this.#open.get(cpu)?.isDamaged !== true) this.#open.set(cpu, { since, isDamaged: false });
  }

  damaged(cpu: number, since: number): void {
    this.#open.set(cpu, { since: this.#open.get(cpu)?.since ?? since, isDamaged: true });
  }

  /** The CPU's next event has come; `count` is -1 where the kernel did not count. */
  lost(cpu: number, count: number, until: number): void {
    const counts = this.counts.get(cpu) ?? { events: 0, unknown: 0 };
    this.counts.set(cpu, counts);
    if (count < 0) counts.unknown++;
    else counts.events += count;
    const open = this.#open.get(cpu);
    this.#open.delete(cpu);
    this.#add(cpu, open ?? { since: NaN, isDamaged: false }, until, count < 0 ? NaN : count);
  }

  /** Damage that no loss followed. */
  finish(): void {
    for (const [cpu, open] of this.#open) if (open.isDamaged) this.#add(cpu, open, NaN, NaN);
    this.#open.clear();
  }

  #add(cpu: number, { since, isDamaged }: { since: number; isDamaged: boolean }, until: number, count: number): void {
    const row = this.#table.next;
    // Before a CPU's first event: what is known is when the loss was over.
    this.#span.set(row, since === since ? since : until, until, cpu);
    this.#count.values[row] = count;
    this.#damaged.values[row] = isDamaged ? 1 : 0;
    this.#table.rows = row + 1;
    this.#tables.added(this.#table);
  }
}
