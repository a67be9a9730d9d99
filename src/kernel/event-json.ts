/**
 * Events as JSON, one a line: {"cpu":0,"time":2430234407123,"comm":"bash","pid":1234,"event":"sched_wakeup",
 * "system":"sched","fields":{"comm":"sh","pid":1235,"prio":120}}. `time` is in ns, or in the clock's own unit. Numbers are
 * written whole, also beyond 2^53; pointers are strings of hex; bytes that are no ASCII are escaped as latin1.
 */
import { type ByteWriter, constant } from "./byte-writer.ts";
import type { EventCatalog, EventKind } from "./event-catalog.ts";
import type { EventField } from "./event-format.ts";
import type { EventRecord } from "./event-record.ts";
import type { Printer } from "./print-format/compile.ts";
import { dynamicLength, dynamicOffset } from "./print-format/dynamic.ts";
import { readNode } from "./print-format/number-node.ts";

const cpuLabel = constant('{"cpu":');
const timeLabel = constant(',"time":');
const commLabel = constant(',"comm":"');
const pidLabel = constant('","pid":');
const fieldsEnd = constant("}}\n");
const quote = 0x22;

type JsonField = { label: Uint8Array; field: EventField; print: Printer };

export class EventJson {
  readonly #catalog: EventCatalog;
  readonly #out: ByteWriter;
  readonly #epoch: bigint;
  readonly #small: boolean;
  readonly #kinds = new Map<EventKind | undefined, { head: Uint8Array; fields: JsonField[] }>();

  constructor(catalog: EventCatalog, out: ByteWriter, epoch: bigint) {
    this.#catalog = catalog;
    this.#out = out;
    this.#epoch = epoch;
    this.#small = epoch < 1n << 52n;
  }

  line(record: EventRecord, kind: EventKind | undefined): void {
    const out = this.#out;
    const pid = this.#catalog.pidOf(record);
    out.put(cpuLabel);
    out.decimal(record.cpu);
    out.put(timeLabel);
    if (this.#small) out.decimal(Number(this.#epoch) + record.timestamp);
    else out.text((this.#epoch + BigInt(record.timestamp)).toString());
    out.put(commLabel);
    const comm = this.#catalog.tasks.get(pid);
    writeEscaped(out, comm, 0, comm.length);
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
  }

  /** `count` is -1 if the kernel did not count them: null. */
  lost(cpu: number, count: number): void {
    this.#out.text(`{"cpu":${cpu},"lost":${count < 0 ? "null" : count}}\n`);
    this.#out.endLine();
  }

  #shape(kind: EventKind | undefined): { head: Uint8Array; fields: JsonField[] } {
    let shape = this.#kinds.get(kind);
    if (shape !== undefined) return shape;
    const { littleEndian } = this.#catalog.metadata.layout;
    const fields = (kind?.format.fields ?? [])
      .filter((field) => !field.common)
      .map((field) => ({ field, label: constant(`${JSON.stringify(field.name)}:`), print: jsonPrinter(field, littleEndian) }));
    const name = JSON.stringify(kind?.format.name ?? null);
    const system = JSON.stringify(kind?.format.system ?? null);
    shape = { head: constant(`,"event":${name},"system":${system},"fields":{`), fields };
    this.#kinds.set(kind, shape);
    return shape;
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
  return numberPrinter(field.size, field.signed, node.low, node.high);
}

function numberPrinter(size: number, signed: boolean, low: (record: EventRecord) => number, high: (record: EventRecord) => number): Printer {
  if (!signed) return (record, out) => out.unsigned64(high(record), low(record));
  if (size === 8) return (record, out) => out.signed64(high(record), low(record));
  const shift = size >= 4 ? 0 : 32 - size * 8;
  return (record, out) => out.signed32((low(record) << shift) >> shift);
}

function arrayPrinter(field: EventField, littleEndian: boolean): Printer {
  const elementSize = [1, 2, 4, 8].includes(field.elementSize) ? field.elementSize : 1;
  let index = 0;
  const offsetOf = (record: EventRecord): number => (field.dynamic === "" ? field.offset : dynamicOffset(record, field, littleEndian));
  const lengthOf = (record: EventRecord, offset: number): number => {
    if (field.dynamic !== "") return dynamicLength(record, field, littleEndian);
    return field.size === 0 ? record.size - offset : field.size;
  };
  const element = readNode((record) => offsetOf(record) + index * elementSize, elementSize, littleEndian);
  const print = numberPrinter(elementSize, field.signed && !field.pointer, element.low, element.high);
  return (record, out) => {
    const offset = offsetOf(record);
    const length = lengthOf(record, offset);
    if (field.string) {
      out.byte(quote);
      writeEscaped(out, record.bytes, record.at + offset, length);
      out.byte(quote);
      return;
    }
    out.byte(0x5b);
    for (index = 0; (index + 1) * elementSize <= length; index++) {
      if (index > 0) out.byte(0x2c);
      print(record, out);
    }
    out.byte(0x5d);
  };
}

/** Up to a NUL. */
function writeEscaped(out: ByteWriter, bytes: Uint8Array, offset: number, size: number): void {
  for (let at = offset; at < offset + size; at++) {
    const value = bytes[at] ?? 0;
    if (value === 0) return;
    if (value >= 0x20 && value < 0x7f && value !== quote && value !== 0x5c) {
      out.byte(value);
      continue;
    }
    out.byte(0x5c);
    out.byte(0x75);
    out.byte(0x30);
    out.byte(0x30);
    out.hexByte(value);
  }
}

