/** Every key of `set`, and every place that a key may change. */
import { closeSync, openSync } from "node:fs";
import type { SettableKey } from "../../protocol/orders.ts";
import { triggerWords } from "../../protocol/setting-forms.ts";
import { settingWords } from "../../protocol/words.ts";
import { anyEvent } from "../../tracefs/event-list.ts";
import { eventsPlace, planEvents } from "./event-settings.ts";
import { fileOf, isEventName } from "./event-targets.ts";
import { filterPlace, planFilter } from "./filter-settings.ts";
import { functionFiles, functionPlace, planFunctions } from "./function-settings.ts";
import { optionPlace, planOptions } from "./option-settings.ts";
import { pidPlace, planPids } from "./pid-settings.ts";
import type { Change, Place } from "./place.ts";
import {
  bufferSizePlace,
  clockPlace,
  graphDepthPlace,
  planBufferSize,
  planClock,
  planGraphDepth,
  planTracer,
  planTracingOn,
  tracerPlace,
  tracingOnPlace,
} from "./small-settings.ts";
import { traceOptions } from "../../protocol/trace-options.ts";
import { planTrigger, triggerPlace } from "./trigger-settings.ts";

/** What a value of each key changes. Throws what is wrong with it in this guest; changes nothing. */
export function planOf(
  directory: string,
  key: SettableKey,
  value: string,
  earlier: (id: string) => string | undefined,
): Change[] {
  switch (key) {
    case "events":
      return planEvents(directory, value);
    case "buffer_size_kb":
      return planBufferSize(directory, value, earlier(key));
    case "clock":
      return planClock(directory, value);
    case "tracing_on":
      return planTracingOn(directory, value);
    case "filter":
      return planFilter(directory, value);
    case "trigger":
      return planTrigger(directory, value, ({ id }) => earlier(id) === "");
    case "tracer":
      return planTracer(directory, value);
    case "functions":
    case "no_functions":
    case "graph_functions":
      return planFunctions(directory, key, value);
    case "graph_depth":
      return planGraphDepth(directory, value);
    case "pids":
      return planPids(directory, value);
    case "options":
      return planOptions(directory, value);
  }
}

/**
 * The order of restoring. First nothing more is added: no trigger that switches tracing on, no event, no function.
 * Options before functions, because one option needs these. Everything from the tracer on empties the ring buffer.
 */
const orderOfPuttingBack = [
  "trigger",
  "events",
  "filter",
  "event_pids",
  "function_pids",
  "tracing_on",
  "tracer",
  "option",
  "functions",
  "no_functions",
  "graph_functions",
  "graph_depth",
  "clock",
  "buffer_size_kb",
];

/** Lower ones are restored first. */
export function rankOf(id: string): number {
  return orderOfPuttingBack.indexOf(id.split(" ", 1)[0] ?? "");
}

/** The keys by which a place is ordered. */
export function keyOf(id: string): SettableKey {
  const [word = ""] = id.split(" ", 1);
  if (word === "option") return "options";
  if (word === "event_pids" || word === "function_pids") return "pids";
  // All others have the name of their key.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return word as SettableKey;
}

/** The place with that id; undefined for an unknown one. */
export function placeOf(directory: string, id: string): Place | undefined {
  const [word = "", name = "", kind = "", more] = id.split(" ");
  if (more !== undefined) return undefined;
  const trigger = triggerWords.find((known) => known === kind);
  if (word === "trigger" && trigger !== undefined && isEventName(name)) return triggerPlace(directory, name, trigger);
  if (kind !== "") return undefined;
  if (word === "filter" && isEventName(name)) return filterPlace(directory, name);
  if (word === "option" && traceOptions.includes(name)) return optionPlace(directory, name);
  return name === "" ? placesOfOneFile(directory).find((place) => place.id === word) : undefined;
}

function placesOfOneFile(directory: string): Place[] {
  return [
    eventsPlace(directory),
    bufferSizePlace(directory),
    clockPlace(directory),
    tracingOnPlace(directory),
    tracerPlace(directory),
    functionPlace(directory, "functions"),
    functionPlace(directory, "no_functions"),
    functionPlace(directory, "graph_functions"),
    graphDepthPlace(directory),
    pidPlace(directory, "event_pids"),
    pidPlace(directory, "function_pids"),
  ];
}

/** The keys beyond protocol 1 for which this kernel has a file that can be opened. */
export function settingsThere(directory: string): string[] {
  const event = anyEvent(directory);
  const files: Record<(typeof settingWords)[number], string | undefined> = {
    filter: event === undefined ? undefined : fileOf(event, "filter"),
    trigger: event === undefined ? undefined : fileOf(event, "trigger"),
    tracer: "current_tracer",
    ...functionFiles,
    graph_depth: "max_graph_depth",
    pids: "set_event_pid",
    options: "options/overwrite",
  };
  return settingWords.filter((word) => canOpen(directory, files[word]));
}

function canOpen(directory: string, file: string | undefined): boolean {
  if (file === undefined) return false;
  try {
    closeSync(openSync(`${directory}/${file}`, "r"));
    return true;
  } catch {
    return false;
  }
}
