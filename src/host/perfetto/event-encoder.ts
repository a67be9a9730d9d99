/** Events -> FtraceEvent messages: one compiled encoder per kind of event. */
import type { EventCatalog, EventKind } from "../../kernel/event-catalog.ts";
import type { EventField } from "../../kernel/event-format.ts";
import type { EventRecord } from "../../kernel/event-record.ts";
import { dynamicLength, dynamicOffset } from "../../kernel/print-format/dynamic.ts";
import { readNode } from "../../kernel/print-format/number-node.ts";
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
/** Numbers and bytes of an array are shown up to here. */
const arrayMost = 64;

const eventTimestamp = 1;
const eventPid = 2;

type FieldEncoder = (record: EventRecord, out: ProtoWriter) => void;

export type GenericDescriptor = { number: number; system: string; name: string; fields: { name: string; type: number }[] };

type Encoder = {
  number: number;
  fields: readonly { end: number; encode: FieldEncoder }[];
  /** What an event takes at most: so much, and for each of its bytes so much more. */
  fixedBytes: number;
  bytesPerByte: number;
  /** Encodes the events that Perfetto's message would be wrong for. */
  otherwise?: { applies: (record: EventRecord) => boolean; encoder: Encoder };
};

/** Markers that Perfetto understands: "B|1234|name", "E", "C|1234|counter|5"; others it would count as errors. */
const systraceMarker = /^(?:E(?:\||$)|[BSFCINGH]\|)/;

export class EventEncoder {
  readonly #catalog: EventCatalog;
  readonly #symbols: KernelSymbols;
  readonly #epoch: bigint;
  readonly #epochNumber: number;
  readonly #encoders: (Encoder | undefined)[] = [];
  #nextGeneric = firstGeneric;
  /** Descriptions of kinds that came up since they were last taken. */
  newDescriptors: GenericDescriptor[] = [];
  /** Events without a format, which cannot be told. */
  unknownEvents = 0;

  constructor(catalog: EventCatalog, symbols: KernelSymbols, epoch: bigint) {
    this.#catalog = catalog;
    this.#symbols = symbols;
    this.#epoch = epoch;
    this.#epochNumber = epoch < 1n << 52n ? Number(epoch) : -1;
  }

  /** Writes the event as field `field` of the message at hand. False for one whose format is not known. */
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

  /** Whether events of a kind were among those written. */
  wrote(kind: EventKind | undefined): boolean {
    return kind !== undefined && this.#encoders[kind.format.id] !== undefined;
  }

  #time(timestamp: number, out: ProtoWriter): void {
    if (this.#epochNumber >= 0) out.uint(eventTimestamp, Math.max(0, this.#epochNumber + timestamp));
    else out.bigint(eventTimestamp, BigInt.asUintN(64, this.#epoch + BigInt(timestamp)));
  }

  #makeEncoder(kind: EventKind): Encoder {
    const { system, name } = kind.format;
    const typed = typedEvents.get(`${system}/${name}`);
    if (typed === undefined) return this.#genericEncoder(kind);
    const encoder = this.#typedEncoder(kind, typed);
    if (`${system}/${name}` !== "ftrace/print") return encoder;
    return { ...encoder, otherwise: { applies: (record) => !isSystraceMarker(record, kind), encoder: this.#genericEncoder(kind) } };
  }

  #typedEncoder({ format }: EventKind, typed: TypedEvent): Encoder {
    const { littleEndian } = this.#catalog.metadata.layout;
    const fields = typed.fields.flatMap(({ number, name, symbol }) => {
      const field = format.fields.find((candidate) => candidate.name === name);
      if (field === undefined) return [];
      const encode = symbol === true ? this.#symbolEncoder(number, field, littleEndian) : fieldEncoder(number, field, littleEndian).encode;
      return [{ end: field.offset + field.size, encode }];
    });
    return { number: typed.number, fields, ...spaceFor(format.fields) };
  }

  #genericEncoder({ format }: EventKind): Encoder {
    const { littleEndian } = this.#catalog.metadata.layout;
    const described = format.fields.filter((field) => !field.common).slice(0, genericFieldsMost);
    const encoders = described.map((field, index) => {
      const { type, encode } = fieldEncoder(index + 1, field, littleEndian);
      return { field, type, encode };
    });
    const number = Math.min(this.#nextGeneric++, lastGeneric);
    const fields = encoders.map(({ field, type }) => ({ name: field.name, type }));
    this.newDescriptors.push({ number, system: format.system, name: format.name, fields });
    return { number, fields: encoders.map(({ field, encode }) => ({ end: field.offset + field.size, encode })), ...spaceFor(described) };
  }

  #symbolEncoder(number: number, field: EventField, littleEndian: boolean): FieldEncoder {
    const { low, high } = readNode(field.offset, field.size, littleEndian);
    return (record, out) => {
      const [upper, lower] = [high(record), low(record)];
      const name = this.#symbols.number(upper, lower);
      if (name > 0) out.uint(number, name);
      else out.uint64(number, upper, lower);
    };
  }
}

/** A string may be as long as the event, and several may be the same bytes; an array of numbers is cut. */
function spaceFor(fields: readonly EventField[]): { fixedBytes: number; bytesPerByte: number } {
  const strings = fields.filter((field) => field.string).length;
  return { fixedBytes: 64 + fields.reduce((sum, field) => sum + (field.array ? arrayMost * 18 + 16 : 16), 0), bytesPerByte: strings };
}

function isSystraceMarker(record: EventRecord, kind: EventKind): boolean {
  const offset = kind.text("buf")?.offset ?? record.size;
  const start = record.at + Math.min(offset, record.size);
  return systraceMarker.test(Buffer.from(record.bytes.subarray(start, Math.min(start + 2, record.at + record.size))).toString("latin1").replace(/[\0\n].*$/s, ""));
}

function fieldEncoder(number: number, field: EventField, littleEndian: boolean): { type: number; encode: FieldEncoder } {
  if (field.array) return arrayEncoder(number, field, littleEndian);
  const { low, high } = readNode(field.offset, field.size, littleEndian);
  if (field.size === 8) {
    return { type: field.signed ? Type.int64 : Type.uint64, encode: (record, out) => out.uint64(number, high(record), low(record)) };
  }
  if (!field.signed) return { type: Type.uint64, encode: (record, out) => out.uint(number, low(record) >>> 0) };
  const shift = 32 - Math.min(4, field.size) * 8;
  return { type: Type.int64, encode: (record, out) => out.int32(number, (low(record) << shift) >> shift) };
}

function arrayEncoder(number: number, field: EventField, littleEndian: boolean): { type: number; encode: FieldEncoder } {
  const place = (record: EventRecord): { offset: number; length: number } => {
    if (field.dynamic !== "") return { offset: dynamicOffset(record, field, littleEndian), length: dynamicLength(record, field, littleEndian) };
    return { offset: field.offset, length: field.size === 0 ? record.size - field.offset : field.size };
  };
  if (field.string) {
    const isMarker = field.size === 0;
    return {
      type: Type.string,
      encode: (record, out) => {
        const { offset, length } = place(record);
        const at = record.at + offset;
        let size = 0;
        while (size < length && record.bytes[at + size] !== 0) size++;
        // A marker's last newline is not part of what it says.
        if (isMarker && size > 0 && record.bytes[at + size - 1] === 0x0a) size--;
        out.bytesField(number, record.bytes, at, size);
      },
    };
  }
  const size = [1, 2, 4, 8].includes(field.elementSize) ? field.elementSize : 1;
  let index = 0;
  let start = 0;
  const { low, high } = readNode(() => start + index * size, size, littleEndian);
  if (field.dynamic === "" && size === 8) {
    // sys_enter's arguments: a repeated number.
    return {
      type: Type.uint64,
      encode: (record, out) => {
        const { offset, length } = place(record);
        start = offset;
        for (index = 0; (index + 1) * size <= length && index < arrayMost; index++) out.uint64(number, high(record), low(record));
      },
    };
  }
  return {
    type: Type.string,
    encode: (record, out) => {
      const { offset, length } = place(record);
      start = offset;
      const parts: string[] = [];
      for (index = 0; (index + 1) * size <= length && index < arrayMost; index++) {
        const value = size === 8 ? (BigInt(high(record) >>> 0) << 32n) | BigInt(low(record) >>> 0) : low(record) >>> 0;
        parts.push(value.toString(16));
      }
      out.text(number, parts.join(" "));
    },
  };
}
