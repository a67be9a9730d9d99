/**
 * Events as JSON, one a line: {"cpu":0,"time":2430234407123,"comm":"bash","pid":1234,"event":"sched_wakeup",
 * "system":"sched","fields":{"comm":"sh","pid":1235,"prio":120}}. `time` is in ns, or in the clock's own unit. Of several
 * machines each begins with "machine":"vm1", and an event of a tracefs instance with "buffer":"NAME".
 * Integers are exact, also beyond 2^53; pointers are hex strings. Text is UTF-8 (json-string.ts).
 */
import { ByteWriter, type Constant, constant } from "../base/byte-writer.ts";
import type { EventCatalog, EventType } from "../events/event-catalog.ts";
import type { EventField } from "../events/event-format.ts";
import { ElementCursor, elementBytes, fieldPlace } from "../events/field-array.ts";
import { nameLearner } from "../events/plugins/sched.ts";
import type { EventRecord } from "../events/event-record.ts";
import type { Printer } from "../events/print-format/printer.ts";
import { readNode } from "../events/print-format/number-node.ts";
import { writeJsonText } from "./json-string.ts";

const timeLabel = constant(',"time":');
const commLabel = constant(',"comm":"');
const pidLabel = constant('","pid":');
const fieldsEnd = constant("}}\n");
const quote = 0x22;
const newline = 0x0a;
/** Sums of two numbers below it are exact. */
const limit = 1n << 52n;

/** `learn`: the names of tasks that the event tells, for the events behind it. */
type JsonShape = { head: Constant; fields: JsonField[]; learn: ((record: EventRecord) => void) | undefined };
type JsonField = { label: Constant; field: EventField; print: Printer };

export class EventJson {
  readonly #catalog: EventCatalog;
  readonly #out: ByteWriter;
  readonly #epoch: bigint;
  readonly #small: boolean;
  readonly #head: string;
  readonly #headBytes: Constant;
  readonly #scratch = new ByteWriter(() => {});
  readonly #kinds = new Map<EventType | undefined, JsonShape>();

  constructor(
    catalog: EventCatalog,
    out: ByteWriter,
    epoch: bigint,
    { machine, buffer }: { machine: string; buffer: string } = { machine: "", buffer: "" },
  ) {
    const names = [machine === "" ? "" : `"machine":${JSON.stringify(machine)},`];
    if (buffer !== "") names.push(`"buffer":${JSON.stringify(buffer)},`);
    // The writer takes chars for bytes.
    this.#head = Buffer.from(`{${names.join("")}"cpu":`).toString("latin1");
    this.#headBytes = constant(this.#head);
    this.#catalog = catalog;
    this.#out = out;
    this.#epoch = epoch;
    this.#small = -limit < epoch && epoch < limit;
  }

  line(record: EventRecord, kind: EventType | undefined): void {
    const out = this.#out;
    const pid = this.#catalog.pidOf(record);
    out.put(this.#headBytes);
    out.decimal(record.cpu);
    out.put(timeLabel);
    if (this.#small) writeTime(out, Number(this.#epoch) + record.timestamp);
    else out.text((this.#epoch + BigInt(record.timestamp)).toString());
    out.put(commLabel);
    const { tasks } = this.#catalog;
    const slot = tasks.slotOf(pid);
    writeJsonText(out, tasks.bytes, tasks.offsetOf(slot), tasks.lengthOf(slot));
    out.put(pidLabel);
    out.signed32(pid);
    const shape = this.#shape(kind);
    out.put(shape.head);
    const start = out.length;
    for (const { label, field, print } of shape.fields) {
      if (field.offset + field.size > record.size) break;
      if (out.length > start) out.byte(0x2c);
      out.put(label);
      print(record, out);
    }
    out.put(fieldsEnd);
    out.endLine();
    shape.learn?.(record);
  }

  /** `count` is -1 if the kernel did not count them: null. */
  lost(cpu: number, count: number): void {
    this.#out.text(`${this.#head}${cpu},"lost":${count < 0 ? "null" : count}}\n`);
    this.#out.endLine();
  }

  #shape(kind: EventType | undefined): JsonShape {
    let shape = this.#kinds.get(kind);
    if (shape !== undefined) return shape;
    const { littleEndian } = this.#catalog.metadata.layout;
    const fields = (kind?.format.fields ?? [])
      .filter((field) => !field.common)
      .map((field) => ({
        field,
        label: constant(`${JSON.stringify(field.name)}:`),
        print: this.#textPrinter(kind?.fieldText(field.name)) ?? jsonPrinter(field, littleEndian),
      }));
    const name = this.#string(kind?.format.name);
    const system = this.#string(kind?.format.system);
    const head = constant(`,"event":${name},"system":${system},"fields":{`);
    shape = { head, fields, learn: kind === undefined ? undefined : nameLearner(kind.context) };
    this.#kinds.set(kind, shape);
    return shape;
  }

  /** `latin1`: each char a byte. */
  #string(latin1: string | undefined): string {
    if (latin1 === undefined) return "null";
    const bytes = Buffer.from(latin1, "latin1");
    this.#scratch.length = 0;
    writeJsonText(this.#scratch, bytes, 0, bytes.length);
    return `"${Buffer.from(this.#scratch.bytes.subarray(0, this.#scratch.length)).toString("latin1")}"`;
  }

  /** A field whose value is the address of a text; the text is written without its last newline. */
  #textPrinter(print: Printer | undefined): Printer | undefined {
    if (print === undefined) return undefined;
    return (record, out) => {
      const text = this.#scratch;
      text.length = 0;
      print(record, text);
      const size = text.bytes[text.length - 1] === newline ? text.length - 1 : text.length;
      out.byte(quote);
      writeJsonText(out, text.bytes, 0, size);
      out.byte(quote);
    };
  }
}

function jsonPrinter(field: EventField, littleEndian: boolean): Printer {
  if (field.dynamic !== "" || field.array) return arrayPrinter(field, littleEndian);
  const node = readNode(field.offset, field.size, littleEndian);
  if (field.pointer) {
    return (record, out) => {
      out.byte(quote);
      out.byte(0x30);
      out.byte(0x78);
      out.hex(node.high(record), node.low(record));
      out.byte(quote);
    };
  }
  const write = numberWriter(field.size, field.signed);
  return (record, out) => write(out, node.high(record), node.low(record));
}

type NumberWriter = (out: ByteWriter, high: number, low: number) => void;

function numberWriter(size: number, signed: boolean): NumberWriter {
  if (!signed) return (out, high, low) => out.unsigned64(high, low);
  if (size === 8) return (out, high, low) => out.signed64(high, low);
  const shift = size >= 4 ? 0 : 32 - size * 8;
  return (out, _, low) => out.signed32((low << shift) >> shift);
}

function arrayPrinter(field: EventField, littleEndian: boolean): Printer {
  const place = fieldPlace(field, littleEndian);
  if (field.string) {
    return (record, out) => {
      out.byte(quote);
      writeJsonText(out, record.bytes, record.at + place.offset(record), place.bytes(record));
      out.byte(quote);
    };
  }
  const size = elementBytes(field);
  const write = numberWriter(size, field.signed && !field.pointer);
  const elements = new ElementCursor(littleEndian);
  return (record, out) => {
    out.byte(0x5b);
    elements.begin(record, place.offset(record), place.bytes(record), size);
    while (elements.next()) {
      if (elements.index > 0) out.byte(0x2c);
      write(out, elements.high, elements.low);
    }
    out.byte(0x5d);
  };
}

/** Negative if an offset makes it so. */
function writeTime(out: ByteWriter, time: number): void {
  if (time < 0) out.byte(0x2d);
  out.decimal(Math.abs(time));
}
