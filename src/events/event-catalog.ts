/**
 * The events that a recording can hold, by their numbers. Each has a printer, made when the first event of its type
 * is seen: a recording has thousands of formats and shows a few.
 */
import { eventLimits } from "./limits.ts";
import { foreignText } from "../base/foreign-text.ts";
import { log } from "../base/log.ts";
import type { ByteWriter } from "../base/byte-writer.ts";
import { type EventField, type EventFormat, findField, headOf, parseEventFormat } from "./event-format.ts";
import type { EventRecord } from "./event-record.ts";
import { fallbackPrinter } from "./field-text.ts";
import type { PluginContext } from "./plugins/plugin.ts";
import { plugins, knownFieldTexts } from "./plugins/table.ts";
import { dynamicLength, dynamicOffset } from "./print-format/dynamic.ts";
import { compilePrintFormat } from "./print-format/compile.ts";
import type { Printer } from "./print-format/printer.ts";
import type { CompileContext } from "./print-format/context.ts";
import { fieldNode, type NumberNode } from "./print-format/number-node.ts";
import { PrintkFormats } from "./printk-formats.ts";
import { SymbolTable } from "./symbols.ts";
import { TaskNames } from "./task-names.ts";
import type { EventHead, EventText, TraceMetadata } from "./trace-metadata.ts";

/** Formats that are checked for the common fields before giving up. */
const commonTries = 64;
/** An event's number has 16 bits. */
const eventNumbers = 65_536;

export class EventType {
  readonly format: EventFormat;
  readonly #catalog: EventCatalog;
  #printer: Printer | undefined;

  constructor(format: EventFormat, catalog: EventCatalog) {
    this.format = format;
    this.#catalog = catalog;
  }

  /** Writes the event's text: the part of a line after its name. */
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

  /** A string field at a fixed offset. */
  text(name: string): EventField | undefined {
    const field = findField(this.format, name);
    return field?.array === true && field.dynamic === "" ? field : undefined;
  }

  /** Reads a string of any length, up to its NUL; undefined if no such field has that name. */
  dynamicText(name: string): ((record: EventRecord) => string) | undefined {
    const field = findField(this.format, name);
    if (field === undefined || field.dynamic === "") return undefined;
    const { littleEndian } = this.#catalog.compileContext(this.format);
    return (record) => {
      if (record.size < this.format.minBytes) return "";
      const from = record.at + dynamicOffset(record, field, littleEndian);
      const bytes = record.bytes.subarray(from, from + dynamicLength(record, field, littleEndian));
      const end = bytes.indexOf(0);
      return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
    };
  }

  /** The text that a field refers to by address; undefined for other fields. */
  fieldText(name: string): Printer | undefined {
    const known = knownFieldTexts.get(`${this.format.system}/${this.format.name}/${name}`);
    return known?.(this.#catalog.contextOf(this.format));
  }

  get context(): PluginContext {
    return this.#catalog.contextOf(this.format);
  }
}

export class EventCatalog {
  readonly metadata: TraceMetadata;
  readonly symbols: SymbolTable;
  readonly printk: PrintkFormats;
  readonly tasks: TaskNames;
  /** All events that the recording has formats for. */
  readonly heads: readonly EventHead[];
  /** By the number in an event's common_type: formats not needed yet, and needed ones that are understood. */
  readonly #texts: (EventText | undefined)[] = [];
  readonly #kinds: (EventType | undefined)[] = [];
  readonly #common: readonly EventField[];
  /** Where in every event its number lies. */
  readonly typeOffset: number;
  readonly #pidOffset: number;
  readonly #leastBytes: number;
  readonly #littleEndian: boolean;
  /** Needed formats that are not understood. */
  #refused = 0;
  /** What is left of the budget for the recording's formats; undefined once its end was reported. */
  #fieldsLeft: number | undefined = eventLimits.recordingFields;
  #printBytesLeft: number | undefined = eventLimits.recordingPrintBytes;

  constructor(metadata: TraceMetadata) {
    this.metadata = metadata;
    this.symbols = new SymbolTable(metadata);
    this.printk = new PrintkFormats(metadata);
    this.tasks = new TaskNames(metadata.savedCommands ?? "");
    this.#littleEndian = metadata.layout.littleEndian;
    const heads: EventHead[] = [];
    /** By number the place among the heads, from 1 on. */
    const places = new Uint32Array(eventNumbers);
    let refused = Math.max(0, metadata.formats.length - eventLimits.eventFormats);
    for (const format of metadata.formats.slice(0, eventLimits.eventFormats)) {
      const head = headOf(format);
      if (head === undefined) {
        refused++;
        continue;
      }
      const place = places[head.id] ?? 0;
      // Of several of one number the last counts.
      if (place > 0) heads[place - 1] = head;
      else places[head.id] = heads.push(head);
      this.#texts[head.id] = format;
    }
    if (refused > 0)
      log.warn(`${refused} event formats have no name or number, or are too large or too many: they are not used`);
    this.heads = heads;
    const common = this.#commonFields();
    this.#common = common;
    this.typeOffset = common.find(({ name }) => name === "common_type")?.offset ?? 0;
    this.#pidOffset = common.find(({ name }) => name === "common_pid")?.offset ?? 4;
    this.#leastBytes = Math.max(this.typeOffset + 2, this.#pidOffset + 4);
  }

  /** Where in every event a common field of one byte lies; undefined where this kernel has none of that name. */
  commonByte(name: string): number | undefined {
    const field = this.#common.find((common) => common.name === name && common.common && common.size === 1);
    return field?.offset;
  }

  /** The common fields of any format that is understood; all formats have the same. */
  #commonFields(): readonly EventField[] {
    for (const { id } of this.heads.slice(0, commonTries)) {
      const kind = this.#parse(id);
      if (kind !== undefined) return kind.format.fields;
    }
    return [];
  }

  #parse(id: number): EventType | undefined {
    const from = this.#texts[id];
    if (from === undefined) return undefined;
    this.#texts[id] = undefined;
    const format = parseEventFormat(from.system, from.text, this.metadata.layout.longBytes);
    if (format === undefined) this.#tellRefused(from.system, id);
    if (format === undefined || this.#fieldsLeft === undefined) return undefined;
    this.#fieldsLeft -= format.fields.length;
    if (this.#fieldsLeft < 0) {
      this.#fieldsLeft = undefined;
      log.warn(`the event formats have more than ${eventLimits.recordingFields} fields: further events stay unknown`);
      return undefined;
    }
    return (this.#kinds[id] = new EventType(format, this));
  }

  #tellRefused(system: string, id: number): void {
    if (++this.#refused > eventLimits.refusedFormatsTold) return;
    const name = this.heads.find((head) => head.id === id)?.name ?? "";
    const rest = this.#refused === eventLimits.refusedFormatsTold ? " (further ones are not told)" : "";
    log.warn(`the format of event ${foreignText(`${system}:${name}`)} is not understood: it stays unknown${rest}`);
  }

  /** The type of an event; undefined if the recording has no format for it, or it is too short for any. */
  kindOf(record: EventRecord): EventType | undefined {
    if (record.size < this.#leastBytes) return undefined;
    const id = record.view.getUint16(record.at + this.typeOffset, this.#littleEndian);
    return this.#kinds[id] ?? this.#parse(id);
  }

  pidOf(record: EventRecord): number {
    if (record.size < this.#leastBytes) return 0;
    return record.view.getInt32(record.at + this.#pidOffset, this.#littleEndian);
  }

  find(system: string, name: string): EventType | undefined {
    const id = this.heads.find((head) => head.system === system && head.name === name)?.id;
    return id === undefined ? undefined : (this.#kinds[id] ?? this.#parse(id));
  }

  makePrinter(format: EventFormat): Printer {
    if (this.#printBytesLeft === undefined) return this.fallback(format);
    this.#printBytesLeft -= format.print.length;
    if (this.#printBytesLeft < 0) {
      this.#printBytesLeft = undefined;
      log.warn(
        `the print formats have more than ${eventLimits.recordingPrintBytes} bytes: further events are shown raw`,
      );
      return this.fallback(format);
    }
    const known = plugins.get(`${format.system}/${format.name}`)?.(this.contextOf(format));
    return known ?? this.#general(format);
  }

  /** Fields as name=value. */
  fallback(format: EventFormat): Printer {
    return fallbackPrinter(format, this.compileContext(format));
  }

  contextOf(format: EventFormat): PluginContext {
    const general = (): Printer => this.#general(format);
    return {
      ...this.compileContext(format),
      tasks: this.tasks,
      get general() {
        return general();
      },
    };
  }

  #general(format: EventFormat): Printer {
    return compilePrintFormat(this.compileContext(format)) ?? this.fallback(format);
  }

  compileContext(format: EventFormat): CompileContext {
    const { longBytes, littleEndian } = this.metadata.layout;
    return { format, longBytes, littleEndian, symbols: this.symbols, printk: this.printk };
  }
}
