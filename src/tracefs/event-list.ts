/**
 * The events of a kernel, and lists of them as `set_event` takes them (kernel/trace/trace_events.c, ftrace_set_clr_event).
 *
 * The kernel knows "system", "event", "system:event", "system:*", "*:event", "*:*" and the same behind "!", but no other
 * pattern: those become the names of the events that match.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { AgentError } from "../base/errors.ts";
import { isGlob, matchesGlob } from "../base/glob.ts";
import { tracefsLimits } from "./limits.ts";
import { readTracing } from "./tracefs.ts";

export type Plugins = {
  /** "system:event" of each, in the kernel's order. */
  names: readonly string[];
  systems: ReadonlySet<string>;
  events: ReadonlySet<string>;
};

/** Undefined where the kernel does not list them. An instance has the events of the whole kernel. */
export function availableEvents(directory: string): Plugins | undefined {
  const [top = directory] = directory.split("/instances/");
  let text: string;
  try {
    text = readFileSync(`${top}/available_events`, "latin1");
  } catch {
    return undefined;
  }
  return plugins(text.split("\n").filter((name) => name.includes(":")));
}

/** One of them, whichever: lists of thousands are compiled code and garbage to who needs one name. */
export function anyEvent(directory: string): string | undefined {
  const [top = directory] = directory.split("/instances/");
  try {
    const fd = openSync(`${top}/available_events`, "r");
    try {
      const bytes = Buffer.alloc(tracefsLimits.eventNameBytes);
      const text = bytes.toString("latin1", 0, readSync(fd, bytes));
      const [name = ""] = text.split("\n", 1);
      return name.includes(":") ? name : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** Of "system:event" names. */
export function plugins(names: readonly string[]): Plugins {
  const [systems, events] = [new Set<string>(), new Set<string>()];
  for (const name of names) {
    const colon = name.indexOf(":");
    systems.add(name.slice(0, colon));
    events.add(name.slice(colon + 1));
  }
  return { names, systems, events };
}

/**
 * What to write to set_event for a list, and its words that match no event of this kernel. Words that the kernel
 * accepts as they are stay unchanged, also where its events are unknown (`known` undefined, events of a module to
 * come). Throws for more patterns than a person would use: each is compared with every event.
 */
export function resolveEventList(list: string, known: Plugins | undefined): { words: string[]; unknown: string[] } {
  const words: string[] = [];
  const unknown: string[] = [];
  const exact = new Set(known?.names);
  let patterns = 0;
  /** Names already added from patterns, since the last change of the sign. */
  const added = new Set<string>();
  let sign = "";
  for (const word of list.split(/\s+/).filter((part) => part !== "")) {
    if (known === undefined || word.includes(":mod:")) {
      words.push(word);
      continue;
    }
    const not = word.startsWith("!") ? "!" : "";
    const bare = word.slice(not.length);
    const found = resolveWord(bare, known, exact);
    if (found.length === 0) unknown.push(word);
    if (isGlob(bare) && found[0] !== bare && ++patterns > tracefsLimits.eventPatternsMax) {
      throw new AgentError(
        "usage",
        `cannot take more than ${tracefsLimits.eventPatternsMax} patterns of events at once`,
      );
    }
    if (not !== sign) added.clear();
    sign = not;
    for (const name of found) {
      if (!added.has(name)) words.push(not + name);
      added.add(name);
    }
  }
  return { words, unknown };
}

function resolveWord(word: string, known: Plugins, exact: ReadonlySet<string>): string[] {
  const [first = "", second, more] = word.split(":", 3);
  if (more !== undefined) return [];
  if (second === undefined) {
    if (first === "*") return ["*:*"];
    if (!isGlob(first)) return known.systems.has(first) || known.events.has(first) ? [first] : [];
    return known.names.filter((name) => name.split(":").some((part) => matchesGlob(first, part)));
  }
  const [anySystem, anyEvent] = [first === "" || first === "*", second === "" || second === "*"];
  if ((anySystem || !isGlob(first)) && (anyEvent || !isGlob(second))) {
    const is = anySystem
      ? anyEvent || known.events.has(second)
      : anyEvent
        ? known.systems.has(first)
        : exact.has(`${first}:${second}`);
    return is ? [word] : [];
  }
  return known.names.filter((name) => {
    const [system = "", event = ""] = name.split(":", 2);
    return (anySystem || matchesGlob(first, system)) && (anyEvent || matchesGlob(second, event));
  });
}

/** "system:event" of each enabled event. */
export function enabledEventNames(directory: string): string[] {
  return listedEvents(directory).filter((event) => !isTriggerOnly(directory, event));
}

function listedEvents(directory: string): string[] {
  return readTracing(directory, "set_event")
    .split("\n")
    .filter((event) => event !== "");
}

/** The kernel also lists events that nobody enabled, for their triggers ("0*"): written back, they would be recorded. */
function isTriggerOnly(directory: string, event: string): boolean {
  return readEnable(directory, `events/${event.replace(":", "/")}`) === "0*";
}

/** The enabled events in the shortest form that set_event takes: "*:*", whole systems, single events. */
export function enabledEventList(directory: string): string {
  const listed = listedEvents(directory);
  const forTriggers = new Set(listed.filter((event) => isTriggerOnly(directory, event)));
  const single = listed.filter((event) => !forTriggers.has(event));
  if (single.length === 0) return "";
  if (forTriggers.size === 0 && isWhole(directory, "events")) return "*:*";
  const systemOf = (event: string): string => event.slice(0, event.indexOf(":"));
  const partial = new Set([...forTriggers].map(systemOf));
  const systems = new Set(single.map(systemOf));
  const whole = new Set(
    [...systems].filter((system) => !partial.has(system) && isWhole(directory, `events/${system}`)),
  );
  const rest = single.filter((event) => !whole.has(systemOf(event)));
  return [...[...whole].map((system) => `${system}:*`), ...rest].join(" ");
}

/** Whether all events below a directory are enabled. */
function isWhole(directory: string, name: string): boolean {
  return readEnable(directory, name) === "1";
}

/** "" for an event or a system that is not there: of a module to come. */
function readEnable(directory: string, name: string): string {
  try {
    return readTracing(directory, `${name}/enable`);
  } catch {
    return "";
  }
}
