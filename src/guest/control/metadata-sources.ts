/** The files of the metadata, all or those of some sections: their names in the protocol, and their paths. */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { basename } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { isGlob, matchesGlob } from "../../base/glob.ts";
import { type Section, systemOf } from "../../protocol/sections.ts";
import { tracedCpus } from "../../tracefs/cpus.ts";
import { enabledEventNames } from "../../tracefs/event-list.ts";
import { guestLimits } from "../limits.ts";

/** A file, or why there is none. */
export type SourceFile = { name: string; path: string } | { name: string; missing: string };

const symbolsPath = "/proc/kallsyms";
const ftraceSystem = "ftrace";

/**
 * Everything: every system's formats, because events may be enabled at any time. One file at a time: none is
 * kept for the next.
 */
export function* allSources(directory: string): Generator<SourceFile, void> {
  yield* decodersFiles(directory);
  yield* ofTop(directory, ["printk_formats", "saved_cmdlines", "saved_tgids"]);
  yield kallsyms();
  yield* formats(directory, systemsOf(directory));
  yield* stats(directory);
}

/** Those of sections, each file once. */
export function* sectionSources(directory: string, sections: readonly Section[]): Generator<SourceFile, void> {
  const systems = new Set(wantedSystems(directory, sections));
  if (sections.some((section) => section.startsWith("formats"))) yield* decodersFiles(directory);
  yield* formats(directory, [...systems]);
  for (const section of sections) {
    switch (section) {
      case "available_events":
        yield* ofTop(directory, ["available_events"]);
        break;
      case "kallsyms":
        yield kallsyms();
        break;
      case "printk":
        yield* ofTop(directory, ["printk_formats"]);
        break;
      case "tasks":
        yield* ofTop(directory, ["saved_cmdlines", "saved_tgids"]);
        break;
      case "stats":
        yield* stats(directory);
        break;
      case "filters":
        yield* filters(directory);
        break;
      default:
      // Formats: above.
    }
  }
}

function* wantedSystems(directory: string, sections: readonly Section[]): Generator<string, void> {
  for (const section of sections) {
    const wanted = section === "formats" ? undefined : systemOf(section);
    if (section === "formats") yield* enabledEvents(directory).map(([system]) => system);
    if (wanted === undefined) continue;
    if (isGlob(wanted)) yield* systemsOf(directory).filter((system) => matchesGlob(wanted, system));
    else yield wanted;
  }
}

/** What every decoder needs. */
function* decodersFiles(directory: string): Generator<SourceFile, void> {
  const names = ["trace_clock", "current_tracer", "available_tracers", "buffer_size_kb"];
  for (const name of ["events/header_page", "events/header_event", ...names])
    yield { name, path: `${directory}/${name}` };
}

/** An instance lacks these files: they belong to the whole kernel. */
function* ofTop(directory: string, names: readonly string[]): Generator<SourceFile, void> {
  const top = topOf(directory) ?? directory;
  for (const name of names) yield { name, path: `${top}/${name}` };
}

function* formats(directory: string, systems: readonly string[]): Generator<SourceFile, void> {
  const top = topOf(directory);
  for (const system of systems) {
    const own = directories(`${directory}/events/${system}`);
    for (const event of own) yield format(directory, system, event);
    // Some kernels have the formats of ftrace's own entries only in the top directory.
    if (top === undefined || system !== ftraceSystem) continue;
    for (const event of directories(`${top}/events/${system}`))
      if (!own.includes(event)) yield format(top, system, event);
  }
}

function format(directory: string, system: string, event: string): SourceFile {
  const name = `events/${system}/${event}/format`;
  return { name, path: `${directory}/${name}` };
}

function* stats(directory: string): Generator<SourceFile, void> {
  for (const cpu of tracedCpus(directory)) {
    const name = `per_cpu/cpu${cpu}/stats`;
    yield { name, path: `${directory}/${name}` };
  }
}

function* filters(directory: string): Generator<SourceFile, void> {
  for (const [system, event] of enabledEvents(directory).slice(0, guestLimits.filtersChecked)) {
    const name = `events/${system}/${event}/filter`;
    yield { name, path: `${directory}/${name}` };
  }
}

/**
 * The symbols, which the kernel formats for each reader: a tenth of a second and more. Under kptr_restrict all
 * addresses are 0. Per-CPU symbols of x86-64 begin at 0 too and precede the others.
 */
function kallsyms(): SourceFile {
  const name = "kallsyms";
  let fd: number | undefined;
  try {
    fd = openSync(symbolsPath, "r");
    const bytes = Buffer.allocUnsafe(guestLimits.symbolsCheckBytes);
    for (let read = 0; read < guestLimits.kallsymsFrontChars;) {
      const count = readSync(fd, bytes);
      if (count === 0) break;
      read += count;
      // A line can be cut anywhere: only a whole one counts.
      if (/\n0*[1-9a-f][\da-f]* /.test(bytes.toString("latin1", 0, count))) return { name, path: symbolsPath };
    }
    return { name, missing: "its addresses are hidden (kernel.kptr_restrict)" };
  } catch (error) {
    return { name, missing: messageOf(error) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function enabledEvents(directory: string): [system: string, event: string][] {
  try {
    return enabledEventNames(directory).map((name) => {
      const [system = "", event = ""] = name.split(":", 2);
      return [system, event];
    });
  } catch {
    return [];
  }
}

function systemsOf(directory: string): string[] {
  const top = topOf(directory);
  const own = directories(`${directory}/events`);
  return top === undefined || own.includes(ftraceSystem) ? own : [...own, ftraceSystem];
}

/** The top directory, if this one is an instance's. */
function topOf(directory: string): string | undefined {
  if (basename(directory) === "tracing") return undefined;
  const at = directory.indexOf("/instances/");
  return at < 0 ? undefined : directory.slice(0, at);
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
