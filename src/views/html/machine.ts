/** What the page shows of one ring buffer of one machine, while its events come. Times are the iterator's stamps. */
import type { EventType } from "../../events/event-catalog.ts";
import type { EventRecord } from "../../events/event-record.ts";
import type { EventIterator } from "../../timeline/event-iterator.ts";
import { interruptText } from "../scheduling/interrupts.ts";
import type { InterruptSlice, SchedSlice, SchedulingTaker, Wait } from "../scheduling/slices.ts";
import { FieldTexts } from "./field-texts.ts";
import { NameTable, TaskList } from "./name-table.ts";
import type { PageBudget } from "./page-budget.ts";
import { Row } from "./row.ts";

export class PageMachine implements SchedulingTaker {
  readonly tasks: TaskList;
  readonly names = new NameTable();
  readonly fields: FieldTexts;
  /** NaN before the first event. */
  first = NaN;
  last = NaN;
  readonly #rows = new Map<number, Row>();
  readonly #iterator: EventIterator;
  readonly #budget: PageBudget;
  /** From the iterator's epoch to the page's. */
  readonly #ahead: number;
  /** By type the number of its name; -1 for those that are slices. */
  readonly #marks = new Map<EventType | undefined, number>();
  readonly #interruptNames = new Map<string, number>();

  constructor(iterator: EventIterator, cpus: readonly number[], ahead: number, budget: PageBudget) {
    this.#iterator = iterator;
    this.#budget = budget;
    this.fields = new FieldTexts(budget);
    this.#ahead = ahead;
    const { tasks } = iterator.catalog;
    this.tasks = new TaskList(
      (pid) => tasks.text(pid),
      (pid) => pid === 0 || tasks.has(pid),
    );
    for (const cpu of cpus) this.#row(cpu);
  }

  /** Before the scheduling is told of it. */
  event(record: EventRecord, kind: EventType | undefined): void {
    const row = this.#row(record.cpu);
    const time = record.timestamp + this.#ahead;
    if (this.first !== this.first) this.first = time;
    this.last = time;
    this.#endLoss(row, time);
    row.last = time;
    if (!this.#budget.takeEvent()) return;
    const name = this.#markOf(kind);
    if (name < 0) return;
    const task = this.tasks.numberOf(this.#iterator.catalog.pidOf(record));
    row.addMark(time, { name, task, fields: this.fields.numberOf(record, kind) });
  }

  gap(cpu: number): void {
    const row = this.#row(cpu);
    row.losesSince ??= row.last;
  }

  /** `count` is -1 where the kernel did not count them. */
  lost(cpu: number, count: number): void {
    const row = this.#row(cpu);
    this.gap(cpu);
    row.lostCount = count < 0 || row.lostCount < 0 ? -1 : row.lostCount + count;
  }

  slice(slice: SchedSlice): void {
    const row = this.#row(slice.cpu);
    if (slice.pid !== 0 && !this.#budget.takeSlice(slice.start + this.#ahead)) return;
    row.addSlice(this.#shifted(slice), this.tasks, this.names);
  }

  wait(wait: Wait): void {
    if (!wait.isEndCut) this.#row(wait.cpu).waited(this.#shifted(wait));
  }

  interrupt(slice: InterruptSlice): void {
    if (!this.#budget.takeSlice(slice.start + this.#ahead)) return;
    const text = interruptText(slice);
    let name = this.#interruptNames.get(text);
    if (name === undefined) this.#interruptNames.set(text, (name = this.names.numberOf(text)));
    this.#row(slice.cpu).addInterrupt(this.#shifted(slice), name, this.tasks);
  }

  finish(): void {
    for (const row of this.#rows.values()) {
      if (row.losesSince !== undefined) this.#endLoss(row, this.last);
      if (!this.#budget.hasMarks) row.dropMarks();
    }
    if (!this.#budget.hasMarks) this.fields.clear();
  }

  /** By CPU. */
  get rows(): Row[] {
    return [...this.#rows.values()].sort((a, b) => a.cpu - b.cpu);
  }

  #row(cpu: number): Row {
    let row = this.#rows.get(cpu);
    if (row === undefined) this.#rows.set(cpu, (row = new Row(cpu)));
    return row;
  }

  #endLoss(row: Row, end: number): void {
    const { losesSince, lostCount } = row;
    if (losesSince === undefined) return;
    row.losesSince = undefined;
    row.lostCount = 0;
    // Before a CPU's first event: all of the time from the machine's first one on.
    const start = Math.min(losesSince === losesSince ? losesSince : this.first, end);
    if (this.#budget.takeLoss()) row.addLoss({ start, end, count: lostCount });
  }

  #shifted<T extends { start: number; end: number }>(of: T): T {
    const shift = (stamp: number): number => Math.round(stamp + this.#ahead);
    return { ...of, start: shift(of.start), end: shift(of.end) };
  }

  /** Switches and interrupts are drawn as slices. */
  #markOf(kind: EventType | undefined): number {
    let name = this.#marks.get(kind);
    if (name !== undefined) return name;
    const { system = "", name: event = "unknown event" } = kind?.format ?? {};
    const isSlice =
      event === "sched_switch" || ((system === "irq" || system === "irq_vectors") && /_(entry|exit)$/.test(event));
    name = isSlice ? -1 : this.names.numberOf(event);
    this.#marks.set(kind, name);
    return name;
  }
}
