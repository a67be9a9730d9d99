/** One event of a machine of any byte order and long size: what its text and its JSON are. */
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { EventCatalog } from "../../src/events/event-catalog.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { EventJson } from "../../src/views/event-json.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { commonFields } from "./common-fields.ts";

export type Machine = { longBytes: 4 | 8; littleEndian: boolean };
/** Put at its offset in the machine's byte order; strings are latin1. */
export type Value = { offset: number; size: number; value: number | bigint | string };

export type OneEvent = Machine & {
  system: string;
  name: string;
  /** "field:u32 x;\toffset:8;\tsize:4;" lines, without a sign unless they say so: "signed:1;". */
  fields: readonly string[];
  print: string;
  values: readonly Value[];
  bytes: number;
  printkFormats?: string;
};

export function showEvent(event: OneEvent): { text: string; fields: unknown } {
  const { system, name, fields, print, littleEndian, longBytes, bytes } = event;
  const format = `name: ${name}\nID: 7\nformat:\n${commonFields}\n${fields.map((field) => `\t${field}${field.includes("signed:") ? "" : "\tsigned:0;"}`).join("\n")}\n\nprint fmt: ${print}\n`;
  const catalog = new EventCatalog({
    layout: layoutOf(4096, longBytes, littleEndian),
    formats: [{ system, text: format }],
    printkFormats: event.printkFormats ?? "",
    cpus: 1,
    uname: "",
    cpuStats: [],
  });
  const record = new EventRecord();
  record.attach(new DataView(new ArrayBuffer(bytes)));
  record.size = bytes;
  for (const value of [{ offset: 0, size: 2, value: 7 }, ...event.values]) put(record.bytes, value, littleEndian);
  const kind = catalog.kindOf(record);
  let written = "";
  const out = new ByteWriter((part) => (written += Buffer.from(part).toString("utf8")));
  kind?.print(record, out);
  out.flush();
  const text = written;
  written = "";
  new EventJson(catalog, out, 0n).line(record, kind);
  out.flush();
  return { text, fields: (JSON.parse(written) as { fields: unknown }).fields };
}

function put(bytes: Uint8Array, { offset, size, value }: Value, littleEndian: boolean): void {
  if (typeof value === "string") {
    bytes.set(Buffer.from(value, "latin1"), offset);
    return;
  }
  for (let byte = 0; byte < size; byte++) {
    const shift = BigInt(8 * (littleEndian ? byte : size - 1 - byte));
    bytes[offset + byte] = Number((BigInt.asUintN(64, BigInt(value)) >> shift) & 0xffn);
  }
}
