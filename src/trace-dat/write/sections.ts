/**
 * The parts of a trace.dat that describe its data: the same bodies in v6, where they stand one behind the other, and in
 * v7, where each is a section (trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)).
 */
import type { Metadata } from "../../events/trace-metadata.ts";
import { ftraceSystem, Part, SectionId } from "../format.ts";
import { Bytes } from "./bytes.ts";

/** `body` stands behind `head`, where there is one. */
export type Section = { id: number; name: string; head?: Uint8Array; body: Uint8Array };

export function wholeBody({ head, body }: Section): Uint8Array {
  return head === undefined ? body : Buffer.concat([head, body]);
}

/** In the order of v6, each made when the one before is written. A file that is missing in the metadata becomes an empty part, which readers accept. */
export function* describingSections(metadata: Metadata): Generator<Section, void> {
  const { kallsyms = new Uint8Array(0), printkFormats = "", savedCommands } = metadata;
  const systems = formatsBySystem(metadata);
  const ftrace = systems.get(ftraceSystem) ?? [];
  systems.delete(ftraceSystem);
  yield { id: SectionId.headerInfo, name: "headers", body: headerInfo(metadata) };
  yield { id: SectionId.ftraceEvents, name: "ftrace events", body: formatList(new Bytes(), ftrace).take() };
  yield { id: SectionId.eventFormats, name: "events format", body: eventFormats(systems) };
  yield { id: SectionId.kallsyms, name: "kallsyms", head: new Bytes().u32(kallsyms.length).take(), body: kallsyms };
  yield {
    id: SectionId.printk,
    name: "printk",
    body: new Bytes().u32(printkFormats.length).text(printkFormats).take(),
  };
  yield commandLines(savedCommands);
}

export function commandLines(savedCommands = ""): Section {
  return { id: SectionId.commandLines, name: "command lines", body: withLength64(new Bytes(), savedCommands).take() };
}

function headerInfo(metadata: Metadata): Uint8Array {
  const body = new Bytes();
  withLength64(body.cString(Part.headerPage), metadata.headerPage ?? "");
  withLength64(body.cString(Part.headerEvent), metadata.headerEvent ?? "");
  return body.take();
}

function eventFormats(systems: ReadonlyMap<string, readonly string[]>): Uint8Array {
  const body = new Bytes().u32(systems.size);
  for (const [system, formats] of systems) formatList(body.cString(system), formats);
  return body.take();
}

function formatsBySystem(metadata: Metadata): Map<string, string[]> {
  const systems = new Map<string, string[]>();
  for (const { system, text } of metadata.formats) {
    const formats = systems.get(system);
    if (formats === undefined) systems.set(system, [text]);
    else formats.push(text);
  }
  return systems;
}

function formatList(body: Bytes, formats: readonly string[]): Bytes {
  body.u32(formats.length);
  for (const text of formats) withLength64(body, text);
  return body;
}

function withLength64(body: Bytes, text: string): Bytes {
  return body.u64(text.length).text(text);
}
