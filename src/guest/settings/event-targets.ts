/** The events at the beginning of a filter or a trigger: "sched:sched_switch,irq:* REST". */
import { existsSync } from "node:fs";
import { AgentError } from "../../base/errors.ts";
import { filterMaskCpus } from "../../tracefs/cpus.ts";
import { availableEvents } from "../../tracefs/event-list.ts";
import { readTracing, writeTracing } from "../../tracefs/tracefs.ts";
import { filterFields, nearField, wrongInFilter } from "../../tracefs/filter-expression.ts";
import { refusal, shortened } from "./place.ts";

export type EventTarget = {
  /** "system:event", of an event of this kernel. */
  name: string;
  /** It was selected by its system: a filter that does not fit it is meant for the others. */
  ofSystem: boolean;
};

const eventName = /^[\w-]+:[\w-]+$/;
const form = /^([\w-]+:(?:[\w-]+|\*)(?:, *[\w-]+:(?:[\w-]+|\*))*) +(.+)$/;

/** Throws for another form, and for events that this kernel lacks. */
export function readTargets(directory: string, key: string, value: string): { targets: EventTarget[]; rest: string } {
  const [, list, rest] = form.exec(value) ?? [];
  if (list === undefined || rest === undefined)
    throw refusal(key, value, "not a list SYSTEM:EVENT,SYSTEM:EVENT and a value behind it");
  const known = availableEvents(directory)?.names ?? [];
  const exact = new Set(known);
  const targets = new Map<string, EventTarget>();
  for (const word of list.split(/, */)) {
    const system = word.endsWith(":*") ? word.slice(0, -1) : undefined;
    const names = system === undefined ? [word] : known.filter((name) => name.startsWith(system));
    if (names.length === 0 || (system === undefined && !exact.has(word)))
      throw new AgentError("usage", `cannot set ${key}: this kernel has no event "${shortened(word)}"`);
    for (const name of names) {
      const ofSystem = system !== undefined && targets.get(name)?.ofSystem !== false;
      targets.set(name, { name, ofSystem });
    }
  }
  return { targets: [...targets.values()], rest };
}

/** The events that the filter fits. Throws if it fits none, or not one that was named itself. */
export function filteredTargets(
  directory: string,
  key: string,
  targets: readonly EventTarget[],
  filter: string,
): EventTarget[] {
  const maskCpus = filter.includes("CPUS{") ? filterMaskCpus() : undefined;
  const known = new Set<string>();
  // An event that has the field tells more of what is wrong than one that lacks it.
  let wrong: string | undefined;
  const missing = new Set<string>();
  const fitting = targets.filter(({ name, ofSystem }) => {
    const fields = filterFields(readTracing(directory, fileOf(name, "format")));
    const fault = wrongInFilter(filter, fields, maskCpus);
    if (fault === undefined) return true;
    if (!ofSystem) throw refusal(key, filter, `${name}: ${fault.reason}`);
    for (const field of fields.keys()) known.add(field);
    if (fault.noField === undefined) wrong ??= `${name}: ${fault.reason}`;
    else missing.add(fault.noField);
    return false;
  });
  if (fitting.length > 0) return fitting;
  const nowhere = [...missing].find((field) => !known.has(field));
  if (nowhere !== undefined) wrong ??= `no event of these has a field "${nowhere}"${nearField(nowhere, known)}`;
  throw refusal(key, filter, wrong ?? "no event of these has all of its fields");
}

/** The file of an event. `name` is of an event of this kernel, or has its form and was noted. */
export function fileOf(name: string, file: "filter" | "trigger" | "format"): string {
  return `events/${name.replace(":", "/")}/${file}`;
}

/**
 * Writes a file of an event. What the kernel refuses it also logs in error_log, of which only the last few entries stay: where
 * there was none it is emptied again.
 */
export function writeEventFile(directory: string, file: string, value: string): void {
  const logged = errorLog(directory);
  try {
    writeTracing(directory, file, value);
  } catch (error) {
    if (logged === "" && errorLog(directory) !== "") writeTracing(directory, errorLogFile, "");
    throw error;
  }
}

const errorLogFile = "error_log";

/** Kernels before 5.2 have none. */
function errorLog(directory: string): string {
  return existsSync(`${directory}/${errorLogFile}`) ? readTracing(directory, errorLogFile) : "";
}

export function isEventName(name: string): boolean {
  return eventName.test(name);
}

/** An event that is gone with its module has nothing to restore. */
export function isGone(directory: string, name: string): boolean {
  return !existsSync(`${directory}/${fileOf(name, "format")}`);
}
