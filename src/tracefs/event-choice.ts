/**
 * Which events a user means, as `trace-cmd record` reads -e, -v, -f and -R: a word is a system, an event, or SYSTEM:EVENT, each with
 * `*`, `?` and `[...]`; what is excluded is so wherever it stands. Matched against the list of the traced machine.
 */
import { AgentError } from "../base/errors.ts";
import { isGlob, matchesGlob } from "../base/glob.ts";
import { closest } from "../base/suggest.ts";
import type { Plugins } from "./event-list.ts";

/** One word of an -e. */
export type EventWord = {
  word: string;
  /** Behind -v. */
  exclude?: boolean;
  /** Of use, but not asked for: passed over where there is none. */
  optional?: boolean;
  filter?: string;
  triggers?: readonly string[];
};

/** Events as orders name them: "system:event", and "system:*" for a system that was named. */
type ForEvents = { events: readonly string[] };

export type EventChoice = {
  /** Words of set_event. Undefined: no word enables an event, and those that are enabled stay. */
  enabled: readonly string[] | undefined;
  filters: readonly (ForEvents & { filter: string })[];
  triggers: readonly (ForEvents & { trigger: string })[];
};

/** Told of words that match no event of a machine, where others of the same recording may have them. */
export type Missing = (words: readonly string[], error: AgentError) => void;

/**
 * Throws an error that names the words that match no event of `machine`, and what may have been meant; or tells `missing`
 * and passes over them.
 */
export function chooseEvents(
  words: readonly EventWord[],
  known: Plugins,
  machine: string,
  missing?: Missing,
): EventChoice {
  const found = words.map(({ word }) => matchesOf(word, known));
  const unknown = words
    .filter(({ optional }, index) => optional !== true && found[index]?.names.length === 0)
    .map(({ word }) => word);
  if (unknown.length > 0) {
    const error = noEvent(unknown, known, machine);
    if (missing === undefined) throw error;
    missing(unknown, error);
  }
  const filters: EventChoice["filters"][number][] = [];
  const triggers: EventChoice["triggers"][number][] = [];
  const enabled = new Set<string>();
  const excluded = new Set<string>();
  for (const [index, { exclude, filter, triggers: wanted = [] }] of words.entries()) {
    const { names, targets } = found[index] ?? { names: [], targets: [] };
    for (const name of names) (exclude === true ? excluded : enabled).add(name);
    if (filter !== undefined) filters.push({ events: targets, filter });
    for (const trigger of wanted) triggers.push({ events: targets, trigger });
  }
  for (const name of excluded) enabled.delete(name);
  const enables = words.some(({ exclude }) => exclude !== true);
  return { enabled: enables ? shortList(enabled, known) : undefined, filters, triggers };
}

/** The events that a word means; none where it is unknown. `targets`: the same, with "system:*" for a system. */
function matchesOf(word: string, known: Plugins): { names: string[]; targets: string[] } {
  const parts = word.split(":");
  const [first = "", second] = parts.map((part) => (part === "" ? "*" : part));
  if (parts.length > 2) return { names: [], targets: [] };
  const asSystem = second === undefined || second === "*" ? systemsOf(first === "all" ? "*" : first, known) : [];
  const systems = new Set(asSystem);
  const isWhole = (name: string): boolean => systems.has(name.split(":", 1)[0] ?? "");
  const single = known.names.filter((name) => {
    const [system = "", event = ""] = name.split(":", 2);
    if (systems.has(system)) return false;
    if (second === undefined) return fits(first, event);
    return second !== "*" && fits(first, system) && fits(second, event);
  });
  const names = systems.size === 0 ? single : known.names.filter((name) => isWhole(name) || single.includes(name));
  return { names, targets: [...asSystem.map((system) => `${system}:*`), ...single] };
}

function systemsOf(pattern: string, known: Plugins): string[] {
  if (!isGlob(pattern)) return known.systems.has(pattern) ? [pattern] : [];
  return [...known.systems].filter((system) => matchesGlob(pattern, system));
}

function fits(pattern: string, text: string): boolean {
  return isGlob(pattern) ? matchesGlob(pattern, text) : pattern === text;
}

/** Whole systems by their name: the kernel takes a word at a time. */
function shortList(names: ReadonlySet<string>, known: Plugins): string[] {
  if (names.size === known.names.length) return ["*:*"];
  const systemOf = (name: string): string => name.split(":", 1)[0] ?? "";
  const partial = new Set(known.names.filter((name) => !names.has(name)).map(systemOf));
  const words = [...names].map((name) => (partial.has(systemOf(name)) ? name : `${systemOf(name)}:*`));
  return [...new Set(words)];
}

function noEvent(unknown: readonly string[], known: Plugins, machine: string): AgentError {
  const [first = ""] = unknown;
  const near = unknown.length === 1 ? nearest(first, known) : undefined;
  const words = unknown.map((word) => `"${word}"`).join(", ");
  return new AgentError("unavailable", `${machine} has no event ${words}`, {
    remedy: near === undefined ? "trace-agent list shows its events" : `did you mean ${near}?`,
  });
}

function nearest(word: string, known: Plugins): string | undefined {
  if (isGlob(word)) return undefined;
  return closest(word, word.includes(":") ? known.names : [...known.systems, ...known.events]);
}

/** The names of the events that these words mean; of all events without any word. Throws as `chooseEvents` does. */
export function chooseNames(words: readonly string[], known: Plugins, machine: string): readonly string[] {
  if (words.length === 0) return known.names;
  const found = words.map((word) => matchesOf(word, known).names);
  const unknown = words.filter((_, index) => found[index]?.length === 0);
  if (unknown.length > 0) throw noEvent(unknown, known, machine);
  const chosen = new Set(found.flat());
  return known.names.filter((name) => chosen.has(name));
}
