/** What a user wants of the guest's tracing, for as long as it is recorded. */
import { AgentError } from "../../base/errors.ts";
import type { SettingWord } from "../../protocol/words.ts";
import type { EventWord, Missing } from "../../tracefs/event-choice.ts";
import { guestTitle } from "../guest-directory.ts";
import type { Session } from "./session.ts";

export type TraceConfig = {
  /** None: the events that are already enabled in the guest are recorded. */
  events: readonly EventWord[];
  bufferKb: number | undefined;
  clock: string | undefined;
  /** Where no clock is named: the first of these that the guest has, if its agent answers. */
  clocksTried?: readonly string[];
  tracer: string | undefined;
  /** Names of functions, with `*` and `?`. */
  functions: readonly string[];
  noFunctions: readonly string[];
  graphFunctions: readonly string[];
  graphDepth: number | undefined;
  pids: readonly number[];
  /** Names of trace options, with "no" in front to switch one off. */
  options: readonly string[];
  /** Told of event words that this machine has none for; without it they are an error. */
  missing?: Missing;
};

/** A setting beyond protocol 1: the key of `set`, its option, and the words of its value. */
export type Wanted = { key: SettingWord; option: string; words: readonly string[] };

/** In the order in which they are set: options may need functions, and events and the tracer come after these. */
export function wantedSettings(config: TraceConfig): Wanted[] {
  const all: Wanted[] = [
    { key: "pids", option: "-P", words: config.pids.map(String) },
    { key: "functions", option: "-l", words: config.functions },
    { key: "no_functions", option: "-n", words: config.noFunctions },
    { key: "graph_functions", option: "-g", words: config.graphFunctions },
    {
      key: "graph_depth",
      option: "--max-graph-depth",
      words: config.graphDepth === undefined ? [] : [`${config.graphDepth}`],
    },
    { key: "options", option: "-O", words: config.options },
  ];
  return all.filter(({ words }) => words.length > 0);
}

/** Whether anything is to be set: a guest whose agent does not answer cannot do it. */
export function wantsSettings(config: TraceConfig): boolean {
  const { events, bufferKb, clock, tracer } = config;
  return (
    events.length > 0 || [bufferKb, clock, tracer].some((one) => one !== undefined) || wantedSettings(config).length > 0
  );
}

/** What the guest's hello does not list is not ordered: its kernel lacks the file, or its agent is older. */
export function requireWord(session: Session, key: SettingWord, option: string): void {
  if (session.knows(key)) return;
  throw new AgentError("unavailable", `${guestTitle(session.guest)} does not take ${option} (${key})`, {
    remedy: "its kernel is built without that, or its trace-agent is older than this one",
  });
}
