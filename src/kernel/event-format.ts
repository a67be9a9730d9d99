/**
 * An event's format file (`events/SYSTEM/EVENT/format`) -> its fields and its print format. Formats come from a guest:
 * what is out of bounds or not understood makes the format unusable (undefined), never an exception.
 */
import { limits } from "../limits.ts";

export type EventField = {
  readonly name: string;
  /** As the kernel declares it, without name and array length: "unsigned long", "__data_loc char[]". */
  readonly type: string;
  readonly offset: number;
  /** 0: the rest of the event. */
  readonly size: number;
  readonly signed: boolean;
  readonly array: boolean;
  /** `__data_loc`: a u32, offset in its low and length in its high half; `__rel_loc` counts the offset from its own end. */
  readonly dynamic: "" | "event" | "field";
  readonly elementSize: number;
  /** An array of char. */
  readonly string: boolean;
  readonly pointer: boolean;
  readonly long: boolean;
  /** One of the common_ fields that all events have. */
  readonly common: boolean;
};

export type EventFormat = {
  readonly system: string;
  readonly name: string;
  readonly id: number;
  /** Common fields first. */
  readonly fields: readonly EventField[];
  /** What follows `print fmt:`: the quoted format and its arguments in C. */
  readonly print: string;
  /** Events shorter than this lack fields. */
  readonly minBytes: number;
};

const fieldLine =
  /^\s*field:\s*([^;]{1,400}?)\s*;\s*offset:\s*(\d{1,5})\s*;\s*size:\s*(\d{1,5})\s*;(?:\s*signed:\s*(\d)\s*;)?\s*$/;

/** Sizes of the C types that appear as elements of arrays; `long` and pointers have the kernel's long size. */
const typeSizes: Record<string, number> = {
  char: 1, "unsigned char": 1, "signed char": 1, u8: 1, s8: 1, __u8: 1, __s8: 1, uint8_t: 1, int8_t: 1, bool: 1,
  short: 2, "unsigned short": 2, u16: 2, s16: 2, __u16: 2, __s16: 2, __be16: 2, __le16: 2, uint16_t: 2, int16_t: 2,
  int: 4, unsigned: 4, "unsigned int": 4, u32: 4, s32: 4, __u32: 4, __s32: 4, __be32: 4, __le32: 4, uint32_t: 4, int32_t: 4,
  "long long": 8, "unsigned long long": 8, u64: 8, s64: 8, __u64: 8, __s64: 8, __be64: 8, __le64: 8, uint64_t: 8, int64_t: 8,
};

export function parseEventFormat(system: string, text: string, longBytes = 8): EventFormat | undefined {
  if (text.length > limits.eventFormatBytes) return undefined;
  let name = "";
  let id = -1;
  // The print fmt comes last, and some hold newlines.
  const printAt = text.indexOf("\nprint fmt:");
  const print = printAt < 0 ? "" : text.slice(printAt + 11).trim();
  const fields: EventField[] = [];
  for (const line of text.slice(0, printAt < 0 ? text.length : printAt).split("\n")) {
    if (line.startsWith("name:")) name = line.slice(5).trim();
    else if (line.startsWith("ID:")) id = Number(line.slice(3));
    else if (line.includes("field:")) {
      const field = parseField(line, longBytes);
      if (field === undefined || fields.length >= limits.eventFields) return undefined;
      fields.push(field);
    }
  }
  if (!/^[\w.:-]{1,200}$/.test(name) || !Number.isInteger(id) || id < 0 || id > 0xffff) return undefined;
  // The tracers' own events may end with a shorter array than their format has: kernel_stack's callers.
  const fixed = system === "ftrace" && fields.at(-1)?.array === true ? fields.slice(0, -1) : fields;
  const minBytes = fixed.reduce((bytes, field) => Math.max(bytes, field.offset + field.size), 0);
  return { system, name, id, fields, print, minBytes };
}

function parseField(line: string, longBytes: number): EventField | undefined {
  const [, declaration, offset, size, signed] = fieldLine.exec(line) ?? [];
  if (declaration === undefined) return undefined;
  const [, type, name, length] = /^(.*?)\s*\b(\w+)((?:\[[^\]]*\])*)$/s.exec(declaration) ?? [];
  if (type === undefined || name === undefined) return undefined;
  const dynamic = type.startsWith("__data_loc") ? "event" : type.startsWith("__rel_loc") ? "field" : "";
  const array = length !== "" || dynamic !== "" || type.endsWith("]");
  const element = type.replace(/^__(?:data|rel)_loc\s+/, "").replace(/\s*\[.*$/, "").replace(/\bconst\s+/, "").trim();
  const pointer = type.includes("*");
  if (dynamic !== "" && Number(size) !== 4) return undefined;
  return {
    name,
    type,
    offset: Number(offset),
    size: Number(size),
    signed: signed !== "0",
    array,
    dynamic,
    elementSize: elementSize(element, Number(size), length ?? "", longBytes),
    string: array && element === "char",
    pointer,
    long: /\blong\b/.test(type),
    common: name.startsWith("common_"),
  };
}

function elementSize(element: string, size: number, length: string, longBytes: number): number {
  const count = Number(/^\[(\d+)\]$/.exec(length)?.[1] ?? 0);
  if (count > 0 && size % count === 0) return size / count;
  if (element.includes("*") || /^(?:unsigned )?long(?: int)?$/.test(element)) return longBytes;
  return typeSizes[element] ?? (size > 0 && length === "" ? size : longBytes);
}

export function findField(format: EventFormat, name: string): EventField | undefined {
  return format.fields.find((field) => field.name === name);
}
