/** What one CPU did, as the columns of a row. */
import type { InterruptSlice, LeftAs, SchedSlice, Wait } from "../scheduling/slices.ts";
import { Column } from "./column.ts";
import type { NameTable, TaskList } from "./name-table.ts";
import {
  type ColumnsHead,
  endCut,
  interruptColumns,
  leftAsWords,
  lossColumns,
  markColumns,
  type RowHead,
  sliceColumns,
  startCut,
  waitCauses,
} from "./page-data.ts";

class Columns {
  count = 0;
  readonly all: Column[];

  constructor(names: readonly string[]) {
    this.all = names.map(() => new Column());
  }

  /** A row: the first value, a time after the one before, may be negative. */
  add(...[first = 0, ...others]: number[]): void {
    this.count++;
    this.all[0]?.addSigned(first);
    for (const [place, value] of others.entries()) this.all[place + 1]?.add(Math.max(0, value));
  }

  get head(): ColumnsHead {
    return { count: this.count, bytes: this.all.map(({ bytes }) => bytes.length) };
  }
}

type Loss = { start: number; end: number; count: number };
type Mark = { name: number; task: number; fields: number };
type Interrupt = { start: number; end: number; name: number; task: number };

export class Row {
  readonly cpu: number;
  /** Time of its last event; NaN before the first. */
  last = NaN;
  /** Since when its events are being lost; NaN: from the beginning on. */
  losesSince: number | undefined;
  lostCount = 0;
  readonly #slices = new Columns(sliceColumns);
  readonly #interrupts = new Columns(interruptColumns);
  readonly #marks = new Columns(markColumns);
  readonly #losses = new Columns(lossColumns);
  /** Those that began, in the order of their ends: an inner one comes first. */
  #ended: Interrupt[] = [];
  #sliceEnd = 0;
  #interruptStart = 0;
  #markTime = 0;
  #lossEnd = 0;
  #wait: Wait | undefined;

  constructor(cpu: number) {
    this.cpu = cpu;
  }

  /** A task begins to run here, and had waited. */
  waited(wait: Wait): void {
    this.#wait = wait;
  }

  addSlice({ pid, start, end, isStartCut, isEndCut, leftAs }: SchedSlice, tasks: TaskList, names: NameTable): void {
    const wait = this.#wait?.pid === pid && this.#wait.end === start ? this.#wait : undefined;
    this.#wait = undefined;
    if (pid === 0) return;
    const flags = leftAsNumber(leftAs) + (isStartCut ? startCut : 0) + (isEndCut ? endCut : 0);
    const wakers =
      wait === undefined || wait.wakerPid < 0
        ? [0, 0, 0]
        : [
            1 + tasks.numberOf(wait.wakerPid),
            1 + wait.wakerCpu,
            wait.wakerInterrupt === "" ? 0 : 1 + names.numberOf(wait.wakerInterrupt),
          ];
    this.#slices.add(start - this.#sliceEnd, end - start, tasks.numberOf(pid), flags, waitNumber(wait), ...wakers);
    this.#sliceEnd = end;
  }

  addInterrupt({ start, end, pid }: InterruptSlice, name: number, tasks: TaskList): void {
    this.#ended.push({ start, end, name, task: tasks.numberOf(pid) });
    // One that encloses others ends last: behind it they are complete.
    if (this.#ended.length >= interruptsKept) this.#flushInterrupts();
  }

  addMark(time: number, { name, task, fields }: Mark): void {
    this.#marks.add(time - this.#markTime, name, task, fields);
    this.#markTime = time;
  }

  addLoss({ start, end, count }: Loss): void {
    this.#losses.add(start - this.#lossEnd, end - start, count < 0 ? 0 : 1 + count);
    this.#lossEnd = end;
  }

  /** There were too many events for marks. */
  dropMarks(): void {
    this.#marks.count = 0;
    this.#marks.all.splice(0, Infinity, ...markColumns.map(() => new Column()));
    this.#markTime = 0;
  }

  get head(): RowHead {
    this.#flushInterrupts();
    const [slices, interrupts, marks, losses] = this.#groups.map(({ head }) => head);
    const none = { count: 0, bytes: [] };
    return {
      cpu: this.cpu,
      slices: slices ?? none,
      interrupts: interrupts ?? none,
      marks: marks ?? none,
      losses: losses ?? none,
    };
  }

  /** All columns, in the order of the head. */
  get bytes(): Uint8Array[] {
    return this.#groups.flatMap(({ all }) => all.map(({ bytes }) => bytes));
  }

  get #groups(): Columns[] {
    return [this.#slices, this.#interrupts, this.#marks, this.#losses];
  }

  #flushInterrupts(): void {
    for (const { start, end, name, task } of this.#ended.sort((a, b) => a.start - b.start || b.end - a.end)) {
      this.#interrupts.add(start - this.#interruptStart, end - start, name, task);
      this.#interruptStart = start;
    }
    this.#ended = [];
  }
}

/** Interrupts that are put in order at a time; the page orders what one of these cuts. */
const interruptsKept = 1_024;

function leftAsNumber(leftAs: LeftAs | undefined): number {
  return leftAs === undefined ? 0 : leftAsWords.indexOf(leftAs);
}

function waitNumber(wait: Wait | undefined): number {
  return wait === undefined ? 0 : 1 + waitCauses.indexOf(wait.cause) + waitCauses.length * (wait.end - wait.start);
}
