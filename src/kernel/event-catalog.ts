/**
 * The events that a recording can hold, by their numbers, each with its printer, made when the first event of its kind
 * comes: a recording has thousands of formats and shows a few.
 */
import { limits } from "../limits.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { type EventField, type EventFormat, findField, parseEventFormat } from "./event-format.ts";
import type { EventRecord } from "./event-record.ts";
import { fallbackPrinter } from "./field-text.ts";
import type { KnownEventContext } from "./known-events/known-event.ts";
import { knownEvents } from "./known-events/table.ts";
import { compilePrintFormat, type Printer } from "./print-format/compile.ts";
import type { CompileContext } from "./print-format/context.ts";
import { fieldNode, type NumberNode } from "./print-format/number-node.ts";
import { PrintkFormats } from "./printk-formats.ts";
import { SymbolTable } from "./symbols.ts";
import { TaskNames } from "./task-names.ts";
import type { TraceMetadata } from "./trace-source.ts";

export class EventKind {
  readonly format: EventFormat;
  readonly #catalog: EventCatalog;
  #printer: Printer | undefined;

  constructor(format: EventFormat, catalog: EventCatalog) {
    this.format = format;
    this.#catalog = catalog;
  }

  /** Writes the event's text, what stands after its name in a line. */
  print(record: EventRecord, out: ByteWriter): void {
    this.#printer ??= this.#catalog.makePrinter(this.format);
    if (record.size >= this.format.minBytes) this.#printer(record, out);
    else this.#catalog.fallback(this.format)(record, out);
  }

  /** Reads a field that is one number; undefined if there is none of that name. */
  number(name: string): NumberNode | undefined {
    const field = findField(this.format, name);
    return field === undefined || field.array ? undefined : fieldNode(field, this.#catalog.compileContext(this.format));
  }

  /** A field that is a string of a fixed place. */
  text(name: string): EventField | undefined {
    const field = findField(this.format, name);
    return field?.array === true && field.dynamic === "" ? field : undefined;
  }

  get context(): KnownEventContext {
    return this.#catalog.contextOf(this.format);
  }
}

export class EventCatalog {
  readonly metadata: TraceMetadata;
  readonly symbols: SymbolTable;
  readonly printk: PrintkFormats;
  readonly tasks: TaskNames;
  /** By the number in an event's common_type. */
  readonly kinds: readonly (EventKind | undefined)[];
  /** Formats that were not understood. */
  readonly refusedFormats: number;
  readonly #typeOffset: number;
  readonly #pidOffset: number;
  readonly #littleEndian: boolean;

  constructor(metadata: TraceMetadata) {
    this.metadata = metadata;
    this.symbols = new SymbolTable(metadata.kallsyms);
    this.printk = new PrintkFormats(metadata.printkFormats);
    this.tasks = new TaskNames(metadata.savedCommands);
    this.#littleEndian = metadata.layout.littleEndian;
    const kinds: (EventKind | undefined)[] = [];
    let refused = 0;
    let common: readonly EventField[] = [];
    for (const { system, text } of metadata.formats.slice(0, limits.eventFormats)) {
      const format = parseEventFormat(system, text, metadata.layout.longBytes);
      if (format === undefined) refused++;
      else {
        kinds[format.id] = new EventKind(format, this);
        common = format.fields;
      }
    }
    this.kinds = kinds;
    this.refusedFormats = refused;
    this.#typeOffset = common.find(({ name }) => name === "common_type")?.offset ?? 0;
    this.#pidOffset = common.find(({ name }) => name === "common_pid")?.offset ?? 4;
  }

  /** The kind of an event; undefined if the recording has no format for it, or it is too short for any. */
  kindOf(record: EventRecord): EventKind | undefined {
    if (record.size < this.#pidOffset + 4) return undefined;
    return this.kinds[record.view.getUint16(record.at + this.#typeOffset, this.#littleEndian)];
  }

  pidOf(record: EventRecord): number {
    if (record.size < this.#pidOffset + 4) return 0;
    return record.view.getInt32(record.at + this.#pidOffset, this.#littleEndian);
  }

  find(system: string, name: string): EventKind | undefined {
    return this.kinds.find((kind) => kind?.format.system === system && kind.format.name === name);
  }

  makePrinter(format: EventFormat): Printer {
    const known = knownEvents.get(`${format.system}/${format.name}`)?.(this.contextOf(format));
    return known ?? this.#general(format);
  }

  /** Fields as name=value. */
  fallback(format: EventFormat): Printer {
    return fallbackPrinter(format, this.compileContext(format));
  }

  contextOf(format: EventFormat): KnownEventContext {
    return { ...this.compileContext(format), tasks: this.tasks, general: this.#general(format) };
  }

  #general(format: EventFormat): Printer {
    return compilePrintFormat(this.compileContext(format)) ?? this.fallback(format);
  }

  compileContext(format: EventFormat): CompileContext {
    const { longBytes, littleEndian } = this.metadata.layout;
    return { format, longBytes, littleEndian, symbols: this.symbols, printk: this.printk };
  }
}
