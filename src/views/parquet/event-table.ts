/**
 * The table of an event: the prefix that all have, then the event's fields under the kernel's names. common_ is the kernel's own
 * prefix, so no field's name is one of these.
 */
import { ByteWriter } from "../../base/byte-writer.ts";
import type { EventType } from "../../events/event-catalog.ts";
import type { EventField } from "../../events/event-format.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { fieldPlace, isElementSize } from "../../events/field-array.ts";
import type { Printer } from "../../events/print-format/printer.ts";
import type { TaskNames } from "../../events/task-names.ts";
import { ArrayColumn } from "./array-column.ts";
import type { Column } from "./column.ts";
import { NarrowColumn, SameTimeColumn, TimeColumn, WideColumn } from "./number-columns.ts";
import type { Table } from "./table.ts";
import { TaskColumn } from "./task-column.ts";
import { nameBytes, TextColumn } from "./text-column.ts";

/** What times are in a file. `utc`: added to a time it gives ns of UTC; undefined where that is not known. */
export type TimeBase = { epoch: bigint; utc: bigint | undefined };

type Fill = (record: EventRecord, row: number) => void;
/** Filled where an event has so many bytes. `plain`: a number of 32 bits or a name of a task, which need no call of their own. */
type Field = { column: Column; end: number; fill: Fill; plain?: PlainField };
type PlainField = { offset: number; column: NarrowColumn | TextColumn };

export class EventTable {
  readonly #table: Table;
  readonly #ts: TimeColumn;
  readonly #cpu = new NarrowColumn("common_cpu", "int32");
  readonly #pid = new NarrowColumn("common_pid", "int32");
  readonly #comm: TaskColumn;
  readonly #fields: readonly Field[];
  /** An event of so many bytes has all fields: then most are filled without a call for each. */
  readonly #wholeBytes: number;
  readonly #numbers: readonly NarrowColumn[];
  readonly #numberOffsets: readonly number[];
  readonly #names: readonly TextColumn[];
  readonly #nameOffsets: readonly number[];
  readonly #others: readonly Fill[];
  readonly #littleEndian: boolean;

  /** `open` makes the table of these columns. `buffer`: of a tracefs instance, whose name each row has. */
  constructor(
    kind: EventType,
    { epoch, utc }: TimeBase,
    { tasks, buffer }: { tasks: TaskNames; buffer: string },
    open: (columns: readonly Column[]) => Table,
  ) {
    this.#ts = new TimeColumn("common_ts", epoch);
    this.#comm = new TaskColumn("common_comm", tasks);
    const time = new SameTimeColumn("common_time", this.#ts, utc === undefined ? undefined : epoch + utc);
    const { littleEndian } = kind.context;
    const fields = kind.format.fields
      .filter(({ common }) => !common)
      .map((field) => fieldOf(field, kind.fieldText(field.name), littleEndian));
    if (buffer !== "") fields.unshift(bufferField(buffer));
    this.#fields = fields;
    this.#littleEndian = littleEndian;
    this.#wholeBytes = Math.max(0, ...fields.map(({ end }) => end));
    const numbers = plainOf(fields, NarrowColumn);
    this.#numbers = numbers.map(({ column }) => column);
    this.#numberOffsets = numbers.map(({ offset }) => offset);
    const names = plainOf(fields, TextColumn);
    this.#names = names.map(({ column }) => column);
    this.#nameOffsets = names.map(({ offset }) => offset);
    this.#others = fields.filter(({ plain }) => plain === undefined).map(({ fill }) => fill);
    const columns = fields.map(({ column }) => column);
    this.#table = open([this.#ts, this.#cpu, this.#pid, this.#comm, time, ...columns]);
  }

  add(record: EventRecord, pid: number): Table {
    const table = this.#table;
    const row = table.next;
    this.#ts.values[row] = record.timestamp;
    this.#cpu.values[row] = record.cpu;
    this.#pid.values[row] = pid;
    this.#comm.setTask(row, pid);
    if (record.size >= this.#wholeBytes) this.#fillWhole(record, row);
    else this.#fillPart(record, row);
    table.rows = row + 1;
    return table;
  }

  #fillWhole(record: EventRecord, row: number): void {
    const { view, at } = record;
    const littleEndian = this.#littleEndian;
    const numbers = this.#numbers;
    const numberOffsets = this.#numberOffsets;
    for (let index = 0; index < numbers.length; index++) {
      const column = numbers[index];
      if (column !== undefined) column.values[row] = view.getInt32(at + (numberOffsets[index] ?? 0), littleEndian);
    }
    const names = this.#names;
    const nameOffsets = this.#nameOffsets;
    for (let index = 0; index < names.length; index++) names[index]?.setName(row, record, nameOffsets[index] ?? 0);
    for (const fill of this.#others) fill(record, row);
  }

  #fillPart(record: EventRecord, row: number): void {
    const { size } = record;
    for (const { column, end, fill } of this.#fields) {
      if (end <= size) fill(record, row);
      else column.setNull(row);
    }
  }
}

function plainOf<T extends NarrowColumn | TextColumn>(
  fields: readonly Field[],
  kind: new (...args: never[]) => T,
): { offset: number; column: T }[] {
  return fields.flatMap(({ plain }) => {
    if (plain === undefined) return [];
    const { offset, column } = plain;
    return column instanceof kind ? [{ offset, column }] : [];
  });
}

function bufferField(buffer: string): Field {
  const column = new TextColumn("common_buffer");
  return { column, end: 0, fill: (_, row) => column.setText(row, buffer) };
}

function fieldOf(field: EventField, print: Printer | undefined, littleEndian: boolean): Field {
  const end = field.offset + field.size;
  if (print !== undefined) return { end, ...printedField(field, print) };
  if (field.dynamic !== "" || field.array || !isElementSize(field.size))
    return { end, ...(field.string ? textField(field, littleEndian) : arrayField(field, littleEndian)) };
  return { end, ...numberField(field, littleEndian) };
}

/** A pointer, and an unsigned long of any machine, is of 64 bits without a sign; other numbers fit 64 bits with one. */
function numberField(field: EventField, littleEndian: boolean): Omit<Field, "end"> {
  const { name, offset, size, signed, long, pointer } = field;
  const kind = pointer || (!signed && (size === 8 || long)) ? "uint" : "int";
  if (size === 8) {
    const column = new WideColumn(name, kind);
    const [lowAt, highAt] = littleEndian ? [offset, offset + 4] : [offset + 4, offset];
    return {
      column,
      fill: ({ view, at }, row) => {
        const { values } = column;
        values[row * 2] = view.getInt32(at + lowAt, littleEndian);
        values[row * 2 + 1] = view.getInt32(at + highAt, littleEndian);
      },
    };
  }
  const isSigned = signed && !pointer;
  const column = new NarrowColumn(name, kind, !isSigned);
  if (size === 4)
    return {
      column,
      plain: { offset, column },
      fill: ({ view, at }, row) => void (column.values[row] = view.getInt32(at + offset, littleEndian)),
    };
  if (size === 2)
    return {
      column,
      fill: ({ view, at }, row) => {
        const place = at + offset;
        column.values[row] = isSigned ? view.getInt16(place, littleEndian) : view.getUint16(place, littleEndian);
      },
    };
  return {
    column,
    fill: ({ view, at }, row) =>
      void (column.values[row] = isSigned ? view.getInt8(at + offset) : view.getUint8(at + offset)),
  };
}

function textField(field: EventField, littleEndian: boolean): Omit<Field, "end"> {
  const column = new TextColumn(field.name);
  if (field.dynamic === "" && field.size > 0) {
    const { offset, size } = field;
    const fill: Fill = ({ bytes, at }, row) => column.set(row, bytes, at + offset, size);
    return size === nameBytes ? { column, fill, plain: { offset, column } } : { column, fill };
  }
  const place = fieldPlace(field, littleEndian);
  return {
    column,
    fill: (record, row) => column.set(row, record.bytes, record.at + place.offset(record), place.bytes(record)),
  };
}

function arrayField(field: EventField, littleEndian: boolean): Omit<Field, "end"> {
  const column = new ArrayColumn(field, littleEndian);
  return { column, fill: (record, row) => column.setArray(row, record) };
}

/** A field that holds the address of a text: the text, without its last newline. */
function printedField({ name }: EventField, print: Printer): Omit<Field, "end"> {
  const column = new TextColumn(name);
  const text = new ByteWriter(() => {});
  return {
    column,
    fill: (record, row) => {
      text.length = 0;
      print(record, text);
      const size = text.bytes[text.length - 1] === 0x0a ? text.length - 1 : text.length;
      column.set(row, text.bytes, 0, size);
    },
  };
}
