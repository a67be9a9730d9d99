/** The ring buffers of one recording: the top-level one, which has no name, and those of tracefs instances. */
import type { TraceMetadata } from "../../events/trace-metadata.ts";
import { OptionId } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import type { BufferTable, Option } from "./tables.ts";

export function hasEvents({ cpus }: BufferTable): boolean {
  return cpus.some(({ bytes }) => bytes > 0);
}

/**
 * The buffer whose events are read: the first that has any. In a recording of instances alone the top-level one
 * is empty.
 */
export function chosenBuffer(buffers: readonly BufferTable[]): BufferTable | undefined {
  return buffers.find(hasEvents) ?? buffers[0];
}

/**
 * The statistics of one buffer, out of those of all: each buffer's follow a text "Buffer: NAME"; the top-level
 * one's come first and have none. A buffer of version 6 may have options of its own. A text begins with a line
 * "CPU: N".
 */
export function statisticsOf(buffer: BufferTable, options: readonly Option[]): TraceMetadata["cpuStats"] {
  const groups: { name: string; texts: string[] }[] = [{ name: "", texts: [] }];
  const own = buffer.options.some(({ id }) => id === OptionId.cpuStat);
  for (const text of optionTexts(own ? buffer.options : options, OptionId.cpuStat)) {
    const line = text.trim();
    const name = line.startsWith("Buffer: ") && !line.includes("\n") ? line.slice(8).trimStart() : undefined;
    if (name === undefined) groups.at(-1)?.texts.push(text);
    else groups.push({ name, texts: [] });
  }
  const filled = groups.filter(({ texts }) => texts.length > 0);
  const named = filled.findLast(({ name }) => name === buffer.name);
  const { texts } = named ?? (filled.length === 1 ? filled[0] : undefined) ?? { texts: [] };
  return texts.map((whole, index) => {
    const [, cpu, text] = /^CPU:\s*(\d{1,5})[^\n]*\n?([^]*)$/.exec(whole) ?? [];
    return { cpu: Number(cpu ?? index), text: text ?? whole };
  });
}

/** The texts of an option that may occur several times, each up to its NUL. */
export function optionTexts(options: readonly Option[], id: number): string[] {
  return options
    .filter((option) => option.id === id)
    .map(({ bytes }) => {
      const end = bytes.subarray(0, traceDatLimits.optionTextBytes).indexOf(0);
      return Buffer.from(bytes.subarray(0, end < 0 ? traceDatLimits.optionTextBytes : end)).toString("latin1");
    });
}
