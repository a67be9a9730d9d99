/** The systems that a list of events, as set_event takes it, names events of. */

import { isGlob, matchesGlob } from "../../base/glob.ts";

/** What `formats:SYSTEM` takes. */
const systemName = /^[\w*?-]{1,64}$/;
const wordPattern = /^[\w*?-]{1,200}$/;

/**
 * Undefined where `known`, the guest's available_events, is needed to tell: a word may name a system, or an event of any of them.
 */
export function systemsOfEvents(events: readonly string[], known?: string): string[] | undefined {
  const systems = new Set<string>();
  for (const word of events.flatMap((list) => list.split(/[\s,]+/)).filter((part) => part !== "")) {
    // What is left out may have been enabled by an earlier word, which says so itself.
    if (word.startsWith("!")) continue;
    const [first = "", second] = word.split(":", 2);
    if (second !== undefined || first === "*") systems.add(first === "" ? "*" : first);
    else if (known === undefined || !wordPattern.test(first)) return undefined;
    else for (const system of ofWord(first, known)) systems.add(system);
  }
  return [...systems].every((system) => systemName.test(system)) ? [...systems] : undefined;
}

/** The systems of that name, and those of all events of that name. */
function ofWord(word: string, known: string): Set<string> {
  // A plain word is looked for in the text as it is: lists of its thousands of names cost more than all else before a start.
  const names = isGlob(word)
    ? known.split("\n").filter((name) => name.split(":", 2).some((part) => matchesGlob(word, part)))
    : (known.match(new RegExp(`^(?:${word}:.*|[^:\\n]+:${word})$`, "gm")) ?? []);
  return new Set(names.map((name) => name.split(":", 1)[0] ?? "").filter((system) => system !== ""));
}
