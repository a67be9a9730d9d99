/**
 * An event's format file (`events/SYSTEM/EVENT/format`) -> its fields and its print format. Formats come from a
 * guest: what is out of bounds or not understood makes the format unusable (undefined), never an exception.
 */
import { eventLimits } from "./limits.ts";
import type { EventHead, EventText } from "./trace-metadata.ts";

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

/** Of a field's type and name. */
const declarationMax = 400;
/** Digits of an event's number, and blanks before them. */
const idMax = 16;
/** Of an event's name. */
const nameMax = 200;

/** Sizes of the C types that appear as elements of arrays; `long` and pointers have the kernel's long size. */
const typeSizes = new Map(
  Object.entries({
    char: 1,
    "unsigned char": 1,
    "signed char": 1,
    u8: 1,
    s8: 1,
    __u8: 1,
    __s8: 1,
    uint8_t: 1,
    int8_t: 1,
    bool: 1,
    short: 2,
    "unsigned short": 2,
    u16: 2,
    s16: 2,
    __u16: 2,
    __s16: 2,
    __be16: 2,
    __le16: 2,
    uint16_t: 2,
    int16_t: 2,
    int: 4,
    unsigned: 4,
    "unsigned int": 4,
    u32: 4,
    s32: 4,
    __u32: 4,
    __s32: 4,
    __be32: 4,
    __le32: 4,
    uint32_t: 4,
    int32_t: 4,
    "long long": 8,
    "unsigned long long": 8,
    u64: 8,
    s64: 8,
    __u64: 8,
    __s64: 8,
    __be64: 8,
    __le64: 8,
    uint64_t: 8,
    int64_t: 8,
  }),
);

export function parseEventHead(system: string, text: string): EventHead | undefined {
  if (text.length > eventLimits.eventFormatBytes) return undefined;
  const name = lineAfter(text, "name:")?.trim() ?? "";
  const number = lineAfter(text, "ID:") ?? "";
  const id = number.length > idMax || number.trim() === "" ? -1 : Number(number);
  if (name.length > nameMax || !/^[\w.:-]+$/.test(name) || !Number.isInteger(id) || id < 0 || id > 0xffff)
    return undefined;
  return { system, name, id };
}

/** Of a format's text, what its head lies in: the longest name, its number, and the words before them. */
export const headBytes = nameMax + idMax + 12;

/**
 * The head of a text of which only the beginning is known: if that is a line of the name and a whole line of the number, as
 * the kernel writes them. Else the whole text tells more.
 */
export function headInBeginning(system: string, beginning: string): EventHead | undefined {
  const second = beginning.indexOf("\n");
  if (!beginning.startsWith("name:") || !beginning.startsWith("\nID:", second)) return undefined;
  const end = beginning.indexOf("\n", second + 1);
  return end < 0 ? undefined : parseEventHead(system, beginning.slice(0, end));
}

/** Of a format that may be read already. */
export function headOf(format: EventText): EventHead | undefined {
  return "head" in format ? format.head : parseEventHead(format.system, format.text);
}

/** The rest of the line that begins with `label`, before the print fmt. */
function lineAfter(text: string, label: string): string | undefined {
  const at = text.startsWith(label) ? 0 : text.indexOf(`\n${label}`) + 1;
  if (at === 0 && !text.startsWith(label)) return undefined;
  const end = text.indexOf("\n", at);
  return text.slice(at + label.length, end < 0 ? text.length : end);
}

export function parseEventFormat(system: string, text: string, longBytes = 8): EventFormat | undefined {
  const head = parseEventHead(system, text);
  if (head === undefined) return undefined;
  // The print fmt comes last, and some hold newlines.
  const printAt = text.indexOf("\nprint fmt:");
  const print = printAt < 0 ? "" : text.slice(printAt + 11).trim();
  const fields: EventField[] = [];
  for (const line of text.slice(0, printAt < 0 ? text.length : printAt).split("\n")) {
    if (!line.includes("field:") || line.startsWith("name:")) continue;
    const field = parseField(line, longBytes);
    if (field === undefined || fields.length >= eventLimits.eventFields) return undefined;
    fields.push(field);
  }
  // The tracers' own events may end with a shorter array than in their format: kernel_stack's callers.
  const last = fields.at(-1);
  const cut = system === "ftrace" && last?.array === true && last.dynamic === "";
  const minBytes = (cut ? fields.slice(0, -1) : fields).reduce(
    (bytes, field) => Math.max(bytes, field.offset + field.size),
    0,
  );
  return { ...head, fields, print, minBytes };
}

/** `\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;`; old kernels lack the last part. */
function parseField(line: string, longBytes: number): EventField | undefined {
  const at = line.indexOf("field:");
  const end = line.indexOf(";", at);
  const declaration = line.slice(at + 6, end).trim();
  if (end < 0 || line.slice(0, at).trim() !== "") return undefined;
  if (declaration === "" || declaration.length > declarationMax) return undefined;
  const parts = line.slice(end + 1).split(";", 5);
  if (parts.length < 3 || parts.length > 4 || parts.pop()?.trim() !== "") return undefined;
  const offset = numberOf("offset:", parts[0]);
  const size = numberOf("size:", parts[1]);
  const signed = parts.length === 3 ? numberOf("signed:", parts[2]) : 1;
  if (offset === undefined || size === undefined || signed === undefined || signed > 9) return undefined;
  const { type, name, length } = declarationParts(declaration);
  if (name === "") return undefined;
  const dynamic = type.startsWith("__data_loc") ? "event" : type.startsWith("__rel_loc") ? "field" : "";
  // A synthetic event's string has 8, of which the first four count.
  if (dynamic !== "" && size !== 4 && size !== 8) return undefined;
  // Kernels before 4.15 declare the text of a marker without brackets: `char buf`, of size 0.
  const array = length !== "" || dynamic !== "" || type.endsWith("]") || size === 0;
  const element = elementOf(type);
  return {
    name,
    type,
    offset,
    size,
    signed: signed !== 0,
    array,
    dynamic,
    elementSize: elementSize(element, size, length, longBytes),
    string: array && element === "char",
    pointer: type.includes("*"),
    long: type.includes("long") && /\blong\b/.test(type),
    common: name.startsWith("common_"),
  };
}

/** Of "offset:8" 8: up to five digits. */
function numberOf(label: string, part: string | undefined): number | undefined {
  const text = part?.trim();
  if (text?.startsWith(label) !== true) return undefined;
  let value = 0;
  let digits = 0;
  for (let at = label.length; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit === -0x10 && digits === 0) continue;
    if (digit < 0 || digit > 9 || ++digits > 5) return undefined;
    value = value * 10 + digit;
  }
  return digits > 0 ? value : undefined;
}

/** "unsigned long args[6]" -> "unsigned long", "args", "[6]". */
function declarationParts(declaration: string): { type: string; name: string; length: string } {
  let end = declaration.length;
  while (declaration.charAt(end - 1) === "]") {
    const open = declaration.lastIndexOf("[", end - 1);
    if (open < 0) break;
    end = open;
  }
  let start = end;
  while (start > 0 && isWord(declaration.charCodeAt(start - 1))) start--;
  return {
    type: declaration.slice(0, start).trimEnd(),
    name: declaration.slice(start, end),
    length: declaration.slice(end),
  };
}

function isWord(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x5f
  );
}

/** "__data_loc const char[]" -> "char". */
function elementOf(type: string): string {
  const bracket = type.indexOf("[");
  const words = (bracket < 0 ? type : type.slice(0, bracket)).trimEnd();
  if (!words.startsWith("__") && !words.includes("const")) return words;
  return words
    .split(" ")
    .filter((word, index) => word !== "const" && !(index === 0 && (word === "__data_loc" || word === "__rel_loc")))
    .join(" ");
}

function elementSize(element: string, size: number, length: string, longBytes: number): number {
  const count = /^\[\d{1,5}\]$/.test(length) ? Number(length.slice(1, -1)) : 0;
  if (count > 0 && size % count === 0) return size / count;
  if (element.includes("*") || /^(?:unsigned )?long(?: int)?$/.test(element)) return longBytes;
  return typeSizes.get(element) ?? (size > 0 && length === "" ? size : longBytes);
}

export function findField(format: EventFormat, name: string): EventField | undefined {
  return format.fields.find((field) => field.name === name);
}
