/** The metadata that a guest gives, as decoding takes them. */
import type { SubBufferLayout } from "../kernel/sub-buffer.ts";
import type { TraceMetadata } from "../kernel/trace-source.ts";
import type { Metadata } from "./metadata.ts";

/** `layout` is that of the streams. */
export function traceMetadata({ files, uname }: Metadata, layout: SubBufferLayout, cpus: number): TraceMetadata {
  const formats = Object.entries(files).flatMap(([name, text]) => {
    const [, system] = /^events\/([^/]{1,200})\/[^/]{1,200}\/format$/.exec(name) ?? [];
    return system === undefined ? [] : [{ system, text }];
  });
  return {
    layout,
    formats,
    kallsyms: Buffer.from(files["kallsyms"] ?? "", "latin1"),
    printkFormats: files["printk_formats"] ?? "",
    savedCommands: files["saved_cmdlines"] ?? "",
    savedTgids: files["saved_tgids"] ?? "",
    clock: /\[([\w-]{1,32})\]/.exec(files["trace_clock"] ?? "")?.[1] ?? "local",
    uname,
    cpuStats: Array.from({ length: cpus }, (_, cpu) => files[`per_cpu/cpu${cpu}/stats`]).flatMap((text, cpu) =>
      text === undefined ? [] : [`CPU: ${cpu}\n${text}`],
    ),
    timeOffset: 0n,
  };
}
