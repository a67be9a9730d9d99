/** Event formats and the values of an event's fields, slow and simple, apart from the code under test. */
import type { Order, TraceDat } from "./model.ts";

export type Field = {
  name: string;
  type: string;
  offset: number;
  size: number;
  signed: boolean;
  /** "data" and "rel": a u32 that says where the array lies. */
  dynamic: "" | "data" | "rel";
  array: boolean;
  element: number;
  pointer: boolean;
  string: boolean;
};

export type Format = { system: string; name: string; id: number; fields: Field[]; text: string };

export function formatsOf(dat: TraceDat): Map<number, Format> {
  const all = [
    ...dat.ftrace.map((text) => ({ system: "ftrace", text })),
    ...dat.systems.flatMap(({ name, formats }) => formats.map((text) => ({ system: name, text }))),
  ];
  return new Map(all.map(({ system, text }) => formatOf(system, text, dat.longBytes)).map((one) => [one.id, one]));
}

function formatOf(system: string, text: string, longBytes: number): Format {
  const fields = [...text.matchAll(/field:([^;]+);\s*offset:(\d+);\s*size:(\d+);(?:\s*signed:(\d);)?/g)].map(
    ([, declaration = "", offset, size, signed]) =>
      fieldOf(declaration, Number(offset), Number(size), signed, longBytes),
  );
  const name = /^name: (.+)$/m.exec(text)?.[1] ?? "";
  return { system, name, id: Number(/^ID: (\d+)$/m.exec(text)?.[1]), fields, text };
}

function fieldOf(declaration: string, offset: number, size: number, signed: string | undefined, long: number): Field {
  const [, type = "", name = "", dimension = ""] = /^(.*?)\s*(\w+)((?:\[[^\]]*\])*)$/s.exec(declaration) ?? [];
  const dynamic = type.startsWith("__data_loc") ? "data" : type.startsWith("__rel_loc") ? "rel" : "";
  const base = type
    .replace(/^__(data|rel)_loc /, "")
    .replace(/\[.*/, "")
    .replace("const ", "")
    .trim();
  const array = dimension !== "" || dynamic !== "" || type.endsWith("]");
  const count = Number(/^\[(\d+)\]$/.exec(dimension)?.[1] ?? 0);
  return {
    name,
    type,
    offset,
    size,
    dynamic,
    array,
    signed: signed !== "0",
    element: count > 0 ? size / count : array || size === 0 ? elementBytes(base, long) : size,
    pointer: type.includes("*"),
    // Up to Linux 4.14 ftrace:print says `char buf` of size 0.
    string: (array || size === 0) && base === "char",
  };
}

function elementBytes(type: string, longBytes: number): number {
  if (/char|[us]8|bool/.test(type)) return 1;
  if (/short|[us]16/.test(type)) return 2;
  if (/long long|[us]64/.test(type)) return 8;
  return /long|\*|cpumask/.test(type) ? longBytes : 4;
}

/** Where a field's bytes lie in the event. A synthetic event's dynamic string has 8 bytes, of which 4 say so. */
export function placeOf(field: Field, data: Buffer, order: Order): { offset: number; bytes: number } {
  if (field.dynamic === "")
    return { offset: field.offset, bytes: field.size === 0 ? data.length - field.offset : field.size };
  const word = order.number(data, field.offset, 4);
  const base = field.dynamic === "rel" ? field.offset + 4 : 0;
  return { offset: base + (word & 0xffff), bytes: word >>> 16 };
}

/** The event's data in the other byte order. */
export function swapped(format: Format | undefined, data: Buffer, order: Order): Buffer {
  const out = Buffer.from(data);
  const swap = (offset: number, bytes: number, element: number): void => {
    for (let at = offset; at + element <= Math.min(offset + bytes, data.length); at += element) {
      out.set(Buffer.from(data.subarray(at, at + element)).reverse(), at);
    }
  };
  if (format === undefined) throw new Error("an event without format has no byte order");
  for (const field of format.fields) {
    const { offset, bytes } = placeOf(field, data, order);
    if (field.dynamic !== "") swap(field.offset, 4, 4);
    swap(offset, bytes, field.element);
  }
  return out;
}

/** As `report --json` shows a field, with text beyond ASCII as UTF-8 where it is UTF-8. */
export function jsonOf(field: Field, data: Buffer, order: Order): string {
  const { offset, bytes } = placeOf(field, data, order);
  if (field.string) {
    const part = data.subarray(offset, offset + bytes);
    const end = part.indexOf(0);
    return JSON.stringify(textOf(end < 0 ? part : part.subarray(0, end)));
  }
  const value = (at: number, size: number): string => {
    const number = order.read(data, at, size);
    return `${field.signed && !field.pointer ? BigInt.asIntN(size * 8, number) : number}`;
  };
  if (!field.array)
    return field.pointer ? `"0x${order.read(data, offset, field.size).toString(16)}"` : value(offset, field.size);
  const count = Math.floor(bytes / field.element);
  return `[${Array.from({ length: count }, (_, index) => value(offset + index * field.element, field.element)).join(",")}]`;
}

/** UTF-8, or else latin1. */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString("latin1");
  }
}
