/** Events -> FtraceEvent messages: one compiled encoder per event type. */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventField } from "../../events/event-format.ts";
import { ByteWriter } from "../../base/byte-writer.ts";
import type { Printer } from "../../events/print-format/printer.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { ElementCursor, elementBytes, fieldPlace } from "../../events/field-array.ts";
import { readNode } from "../../events/print-format/number-node.ts";
import { type TypedEvent, typedEvents } from "./event-schemas.ts";
import type { KernelSymbols } from "./kernel-symbols.ts";
import type { ProtoWriter } from "./proto-writer.ts";

/** Field numbers of FtraceEvent for events that describe themselves. */
const firstGeneric = 65_536;
const lastGeneric = 131_072;
/** trace_processor refuses field numbers of 32 and more. */
const genericFieldsMost = 31;
/** Types of FieldDescriptorProto. */
const Type = { int64: 3, uint64: 4, string: 9 } as const;
/** Numbers and bytes of an array that are shown at most. */
const arrayMost = 64;
/** What a trace_printk prints; the kernel cuts it at 1 KiB. */
const textMostBytes = 4096;

/** Sums of two numbers below it are exact. */
const limit = 1n << 52n;
const eventTimestamp = 1;
const eventPid = 2;

type FieldEncoder = (record: EventRecord, out: ProtoWriter) => void;

export type GenericDescriptor = {
  number: number;
  system: string;
  name: string;
  fields: { name: string; type: number }[];
};

type Encoder = {
  number: number;
  fields: readonly { end: number; encode: FieldEncoder }[];
  /** Encoded size of an event at most: a constant, and a factor for its bytes. */
  fixedBytes: number;
  bytesPerByte: number;
  /** Encodes events for which Perfetto's message would be wrong. */
  otherwise?: { applies: (record: EventRecord) => boolean; encoder: Encoder };
};

/** Markers that Perfetto understands: "B|1234|name", "E", "C|1234|counter|5"; it would count others as errors. */
const systraceMarker = /^(?:E(?:\||$)|[BSFCINGH]\|)/;

export class EventEncoder {
  readonly #catalog: EventCatalog;
  readonly #symbols: KernelSymbols;
  readonly #epoch: bigint;
  /** Undefined where doubles are not exact. */
  readonly #epochNumber: number | undefined;
  readonly #encoders: (Encoder | undefined)[] = [];
  #nextGeneric = firstGeneric;
  /** Descriptions of event types that appeared since the last call. */
  newDescriptors: GenericDescriptor[] = [];
  /** Events without a format, which cannot be exported. */
  unknownEvents = 0;

  constructor(catalog: EventCatalog, symbols: KernelSymbols, epoch: bigint) {
    this.#catalog = catalog;
    this.#symbols = symbols;
    this.#epoch = epoch;
    this.#epochNumber = -limit < epoch && epoch < limit ? Number(epoch) : undefined;
  }

  /** Writes the event as field `field` of the current message. False if its format is unknown. */
  encode(record: EventRecord, out: ProtoWriter, field: number): boolean {
    const kind = this.#catalog.kindOf(record);
    if (kind === undefined) {
      this.unknownEvents++;
      return false;
    }
    let encoder = (this.#encoders[kind.format.id] ??= this.#makeEncoder(kind));
    if (encoder.otherwise?.applies(record) === true) encoder = encoder.otherwise.encoder;
    const most = encoder.fixedBytes + encoder.bytesPerByte * record.size;
    out.reserve(most);
    const width = most < 1 << 14 ? 2 : 4;
    const event = out.begin(field, width);
    this.#time(record.timestamp, out);
    out.int32(eventPid, this.#catalog.pidOf(record));
    const payload = out.begin(encoder.number, width);
    for (const { end, encode } of encoder.fields) if (end <= record.size) encode(record, out);
    out.end(payload, width);
    out.end(event, width);
    return true;
  }

  /** Whether events of a type were among those written. */
  wrote(kind: EventType | undefined): boolean {
    return kind !== undefined && this.#encoders[kind.format.id] !== undefined;
  }

  /** A time below 0, which an offset may cause, becomes 0: Perfetto has none. */
  #time(timestamp: number, out: ProtoWriter): void {
    if (this.#epochNumber !== undefined) out.uint(eventTimestamp, Math.max(0, this.#epochNumber + timestamp));
    else {
      const time = this.#epoch + BigInt(timestamp);
      out.bigint(eventTimestamp, time < 0n ? 0n : BigInt.asUintN(64, time));
    }
  }

  #makeEncoder(kind: EventType): Encoder {
    const { system, name } = kind.format;
    const typed = typedEvents.get(`${system}/${name}`);
    if (typed === undefined) return this.#genericEncoder(kind);
    const encoder = this.#typedEncoder(kind, typed);
    if (`${system}/${name}` !== "ftrace/print") return encoder;
    return {
      ...encoder,
      otherwise: { applies: (record) => !isSystraceMarker(record, kind), encoder: this.#genericEncoder(kind) },
    };
  }

  #typedEncoder({ format }: EventType, typed: TypedEvent): Encoder {
    const { littleEndian } = this.#catalog.metadata.layout;
    const fields = typed.fields.flatMap(({ number, name, symbol }) => {
      const field = format.fields.find((candidate) => candidate.name === name);
      if (field === undefined) return [];
      const encode =
        symbol === true
          ? this.#symbolEncoder(number, field, littleEndian)
          : fieldEncoder(number, field, littleEndian).encode;
      return [{ end: field.offset + field.size, encode }];
    });
    return { number: typed.number, fields, ...spaceFor(format.fields) };
  }

  #genericEncoder(kind: EventType): Encoder {
    const { format } = kind;
    const { littleEndian } = this.#catalog.metadata.layout;
    const described = format.fields.filter((field) => !field.common).slice(0, genericFieldsMost);
    const encoders = described.map((field, index) => {
      const text = kind.fieldText(field.name);
      const { type, encode } =
        text === undefined ? fieldEncoder(index + 1, field, littleEndian) : textEncoder(index + 1, text);
      return { field, type, encode, textBytes: text === undefined ? 0 : textMostBytes };
    });
    const { fixedBytes, bytesPerByte } = spaceFor(described);
    const number = Math.min(this.#nextGeneric++, lastGeneric);
    const fields = encoders.map(({ field, type }) => ({ name: field.name, type }));
    this.newDescriptors.push({ number, system: format.system, name: format.name, fields });
    return {
      number,
      fields: encoders.map(({ field, encode }) => ({ end: field.offset + field.size, encode })),
      fixedBytes: fixedBytes + encoders.reduce((sum, { textBytes }) => sum + textBytes, 0),
      bytesPerByte,
    };
  }

  #symbolEncoder(number: number, field: EventField, littleEndian: boolean): FieldEncoder {
    const { low, high } = readNode(field.offset, field.size, littleEndian);
    return (record, out) => {
      const upper = high(record);
      const lower = low(record);
      const name = this.#symbols.number(upper, lower);
      if (name > 0) out.uint(number, name);
      else out.uint64(number, upper, lower);
    };
  }
}

/** A string may be as long as the event, and several may share bytes; an array of numbers is cut. */
function spaceFor(fields: readonly EventField[]): { fixedBytes: number; bytesPerByte: number } {
  const strings = fields.filter((field) => field.string).length;
  return {
    fixedBytes: 64 + fields.reduce((sum, field) => sum + (field.array ? arrayMost * 18 + 16 : 16), 0),
    bytesPerByte: strings,
  };
}

function isSystraceMarker(record: EventRecord, kind: EventType): boolean {
  const offset = kind.text("buf")?.offset ?? record.size;
  const start = record.at + Math.min(offset, record.size);
  return systraceMarker.test(
    Buffer.from(record.bytes.subarray(start, Math.min(start + 2, record.at + record.size)))
      .toString("latin1")
      .replace(/[\0\n].*$/s, ""),
  );
}

/** A field that holds the address of a text. */
function textEncoder(number: number, print: Printer): { type: number; encode: FieldEncoder } {
  const text = new ByteWriter(() => {});
  return {
    type: Type.string,
    encode: (record, out) => {
      text.length = 0;
      print(record, text);
      if (text.bytes[text.length - 1] === 0x0a) text.length--;
      out.bytesField(number, text.bytes, 0, Math.min(text.length, textMostBytes));
    },
  };
}

function fieldEncoder(
  number: number,
  field: EventField,
  littleEndian: boolean,
): { type: number; encode: FieldEncoder } {
  if (field.array) return arrayEncoder(number, field, littleEndian);
  const { low, high } = readNode(field.offset, field.size, littleEndian);
  if (field.size === 8) {
    return {
      type: field.signed ? Type.int64 : Type.uint64,
      encode: (record, out) => out.uint64(number, high(record), low(record)),
    };
  }
  if (!field.signed) return { type: Type.uint64, encode: (record, out) => out.uint(number, low(record) >>> 0) };
  const shift = 32 - Math.min(4, field.size) * 8;
  return { type: Type.int64, encode: (record, out) => out.int32(number, (low(record) << shift) >> shift) };
}

function arrayEncoder(
  number: number,
  field: EventField,
  littleEndian: boolean,
): { type: number; encode: FieldEncoder } {
  const place = fieldPlace(field, littleEndian);
  if (field.string) {
    const isMarker = field.size === 0;
    return {
      type: Type.string,
      encode: (record, out) => {
        const length = place.bytes(record);
        const at = record.at + place.offset(record);
        let size = 0;
        while (size < length && record.bytes[at + size] !== 0) size++;
        // A marker's last newline is not part of its text.
        if (isMarker && size > 0 && record.bytes[at + size - 1] === 0x0a) size--;
        out.bytesField(number, record.bytes, at, size);
      },
    };
  }
  const size = elementBytes(field);
  const elements = new ElementCursor(littleEndian);
  if (field.dynamic === "" && size === 8) {
    // sys_enter's arguments: a repeated number.
    return {
      type: Type.uint64,
      encode: (record, out) => {
        elements.begin(record, place.offset(record), place.bytes(record), size);
        while (elements.next() && elements.index < arrayMost) out.uint64(number, elements.high, elements.low);
      },
    };
  }
  return {
    type: Type.string,
    encode: (record, out) => {
      elements.begin(record, place.offset(record), place.bytes(record), size);
      const parts: string[] = [];
      while (elements.next() && elements.index < arrayMost) {
        const low = elements.low >>> 0;
        const value = size === 8 ? (BigInt(elements.high >>> 0) << 32n) | BigInt(low) : low;
        parts.push(value.toString(16));
      }
      out.text(number, parts.join(" "));
    },
  };
}
