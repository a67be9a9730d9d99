/** Collecting what decoding needs from the tracing directory: the body of a `metadata` reply. */
import { readdirSync, readFileSync } from "node:fs";
import { release, version } from "node:os";
import { basename } from "node:path";
import { messageOf } from "../errors.ts";
import { onlineCpus, tracedCpus } from "../kernel/cpus.ts";
import { machineName } from "../kernel/machine.ts";
import { subBufferSizeBytes } from "../kernel/tracefs.ts";
import type { Metadata } from "../protocol/metadata.ts";
import { pageSize } from "../../ffi/sysconf.ts";

/** ftrace's own event formats, and those of every system: 2 MB, 120 kB packed. Events may be enabled at any time. */
export function collectMetadata(directory: string): Metadata {
  const collector = new Collector();
  const instance = basename(directory) !== "tracing" && directory.includes("/instances/");
  const top = instance ? directory.slice(0, directory.indexOf("/instances/")) : directory;
  collector.read("events/header_page", `${directory}/events/header_page`);
  collector.read("events/header_event", `${directory}/events/header_event`);
  for (const name of ["trace_clock", "current_tracer", "buffer_size_kb"]) collector.read(name, `${directory}/${name}`);
  // An instance has no files of these names: they are the whole kernel's.
  for (const name of ["printk_formats", "saved_cmdlines", "saved_tgids"]) collector.read(name, `${top}/${name}`);
  collector.readKallsyms();
  for (const system of directories(`${directory}/events`)) {
    for (const event of directories(`${directory}/events/${system}`)) {
      collector.read(`events/${system}/${event}/format`, `${directory}/events/${system}/${event}/format`);
    }
  }
  // The formats of ftrace's own entries stand only in the top directory of some kernels.
  if (instance) {
    for (const event of directories(`${top}/events/ftrace`)) {
      const name = `events/ftrace/${event}/format`;
      if (collector.files[name] === undefined) collector.read(name, `${top}/${name}`);
    }
  }
  const cpus = tracedCpus(directory);
  for (const cpu of cpus) collector.read(`per_cpu/cpu${cpu}/stats`, `${directory}/per_cpu/cpu${cpu}/stats`);
  return {
    version: 1,
    uname: `Linux ${release()} ${version()} ${machineName()}`,
    cpus: Math.max(cpus.length, ...(onlineCpus() ?? []).map((cpu) => cpu + 1)),
    pageSize: pageSize(),
    subBufferSize: subBufferSizeBytes(directory),
    files: collector.files,
    missing: collector.missing,
  };
}

class Collector {
  readonly files: Record<string, string> = {};
  readonly missing: Record<string, string> = {};

  read(name: string, path: string): void {
    try {
      this.files[name] = readFileSync(path, "latin1");
    } catch (error) {
      this.missing[name] = messageOf(error);
    }
  }

  /** Under kptr_restrict all addresses are 0. Only the last line tells: per-CPU symbols of x86-64 begin at 0. */
  readKallsyms(): void {
    this.read("kallsyms", "/proc/kallsyms");
    const text = this.files["kallsyms"];
    if (text === undefined) return;
    const last = text.trimEnd().split("\n").at(-1) ?? "";
    if (!/^0+ /.test(last)) return;
    delete this.files["kallsyms"];
    this.missing["kallsyms"] = "its addresses are hidden (kernel.kptr_restrict)";
  }
}

function directories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}
