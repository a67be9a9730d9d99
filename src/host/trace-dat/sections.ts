/**
 * The parts of a trace.dat that describe its data: the same bodies in v6, where they stand one behind the other, and in
 * v7, where each is a section (trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)).
 */
import type { Metadata } from "../../protocol/metadata.ts";
import { Bytes } from "./bytes.ts";

export type Section = { id: number; name: string; body: Uint8Array };

/** Section ids of v7; the option that points at a section has the same number. */
const sectionId = { headerInfo: 16, ftraceEvents: 17, eventFormats: 18, kallsyms: 19, printk: 20, cmdlines: 21 } as const;

/** In the order of v6. A file that the metadata lacks becomes an empty part, which readers take. */
export function describingSections(metadata: Metadata): Section[] {
  const file = (name: string): string => metadata.files[name] ?? "";
  return [
    { id: sectionId.headerInfo, name: "headers", body: headerInfo(metadata) },
    { id: sectionId.ftraceEvents, name: "ftrace events", body: formatList(formatsBySystem(metadata).get("ftrace") ?? []).take() },
    { id: sectionId.eventFormats, name: "events format", body: eventFormats(metadata) },
    { id: sectionId.kallsyms, name: "kallsyms", body: withLength32(file("kallsyms")) },
    { id: sectionId.printk, name: "printk", body: withLength32(file("printk_formats")) },
    { id: sectionId.cmdlines, name: "command lines", body: withLength64(new Bytes(), file("saved_cmdlines")).take() },
  ];
}

function headerInfo(metadata: Metadata): Uint8Array {
  const body = new Bytes();
  withLength64(body.cString("header_page"), metadata.files["events/header_page"] ?? "");
  withLength64(body.cString("header_event"), metadata.files["events/header_event"] ?? "");
  return body.take();
}

function eventFormats(metadata: Metadata): Uint8Array {
  const systems = formatsBySystem(metadata);
  systems.delete("ftrace");
  const body = new Bytes().u32(systems.size);
  for (const [system, formats] of systems) {
    body.cString(system).raw(formatList(formats).take());
  }
  return body.take();
}

function formatsBySystem(metadata: Metadata): Map<string, string[]> {
  const systems = new Map<string, string[]>();
  for (const [name, text] of Object.entries(metadata.files)) {
    const system = /^events\/([^/]+)\/[^/]+\/format$/.exec(name)?.[1];
    if (system === undefined) continue;
    const formats = systems.get(system);
    if (formats === undefined) systems.set(system, [text]);
    else formats.push(text);
  }
  return systems;
}

function formatList(formats: readonly string[]): Bytes {
  const body = new Bytes().u32(formats.length);
  for (const text of formats) withLength64(body, text);
  return body;
}

function withLength64(body: Bytes, text: string): Bytes {
  return body.u64(text.length).text(text);
}

function withLength32(text: string): Uint8Array {
  return new Bytes().u32(text.length).text(text).take();
}
