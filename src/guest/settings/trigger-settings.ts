/**
 * `set trigger EVENT,... TRIGGER`: what an occurrence of an event does: stacktrace, traceon or traceoff, with a
 * count and a filter: "traceoff:5 if prev_pid > 0". The kernel knows others, which take memory (hist), enable
 * further events (enable_event) or stop the machine for a moment (snapshot): no order names them.
 */
import { protocolLimits } from "../../protocol/limits.ts";
import { parseTrigger, type TriggerWord, triggerWords } from "../../protocol/setting-forms.ts";
import { readTracing } from "../../tracefs/tracefs.ts";
import { fileOf, filteredTargets, isGone, readTargets, writeEventFile } from "./event-targets.ts";
import { type Change, notPutBack, type Place, refusal } from "./place.ts";
import { tracingOnPlace } from "./small-settings.ts";

/** `name`: "system:event". Its value is the trigger, or "" without one of this kind. */
export function triggerPlace(directory: string, name: string, word: TriggerWord): Place {
  const file = fileOf(name, "trigger");
  const read = (): string => {
    const line = linesOf(directory, name).find((one) => wordOf(one) === word);
    return line === undefined ? "" : definitionOf(name, line);
  };
  const write = (value: string): void => writeEventFile(directory, file, value === "" ? `!${word}` : value);
  return {
    id: placeId(name, word),
    read,
    write,
    putBack: (value) => {
      if (isGone(directory, name)) return [];
      const there = linesOf(directory, name).some((line) => wordOf(line) === word);
      if (there && value === "") write("");
      return [];
    },
    // A trigger never replaces another one: restoring means removing it.
    accepts: (value) => value === "",
  };
}

/** `isOurs`: whether a trigger of that kind is there because this session set it. */
export function planTrigger(directory: string, value: string, isOurs: (place: Pick<Place, "id">) => boolean): Change[] {
  const { targets, rest } = readTargets(directory, "trigger", value);
  const trigger = parseTrigger(rest);
  if (trigger === undefined)
    throw refusal("trigger", rest, `an order may name ${triggerWords.join(", ")}, with :COUNT and if FILTER`);
  const { word, filter, text } = trigger;
  if (filter !== undefined && filter.length > protocolLimits.filterChars)
    throw refusal("trigger", rest, `longer than ${protocolLimits.filterChars} chars`);
  const chosen = filter === undefined ? targets : filteredTargets(directory, "trigger", targets, filter);
  const changes: Change[] = chosen.map(({ name }) => {
    for (const line of linesOf(directory, name)) {
      const id = placeId(name, wordOf(line));
      const there = isOurs({ id }) ? line : definitionOf(name, line);
      if (kindOf(wordOf(line)) === kindOf(word) && there !== text)
        throw notPutBack(`the trigger of ${name}`, `it has "${there}" already`);
    }
    return { place: triggerPlace(directory, name, word), text };
  });
  return word === "stacktrace" ? changes : [...changes, { place: tracingOnPlace(directory), text: undefined }];
}

/** A trigger as it is written. Throws if it counts: its count may have changed when it is restored. */
function definitionOf(name: string, line: string): string {
  if (/^[^ ]*:count=/.test(line)) throw notPutBack(`the triggers of ${name}`, `"${line}" counts`);
  return line.replace(":unlimited", "");
}

/** The kernel takes one of each kind, and the two switches of tracing are one (ETT_TRACE_ONOFF). */
function kindOf(word: string): string {
  return word === "traceon" || word === "traceoff" ? "switch" : word;
}

function placeId(name: string, word: string): string {
  return `trigger ${name} ${word}`;
}

/** A list of available triggers, after "#", means none. */
function linesOf(directory: string, name: string): string[] {
  return readTracing(directory, fileOf(name, "trigger"))
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function wordOf(line: string): string {
  return line.split(/[: ]/, 1)[0] ?? "";
}
