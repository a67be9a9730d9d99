/** Flags of what a recorder with a ring (--last) takes snapshots for, and their reading. */
import { AgentError } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import { hostLimits } from "../host/limits.ts";
import type { Trigger, TriggerOptions } from "../host/triggers/trigger.ts";
import { parseFilter } from "../timeline/filter/parse.ts";
import type { Flags, FlagValues } from "./command.ts";
import { parseDuration } from "./duration.ts";
import { cliLimits } from "./limits.ts";

const forms = ["signal", "lost", "latency=20ms", "event=SYS:EVENT[/FILTER]", "guest-gone"];

export const triggerFlags = {
  on: {
    type: "string",
    valueHint: "TRIGGER",
    words: ["signal", "lost", "latency=", "event=", "guest-gone"],
    multiple: true,
    description: `With --last: a snapshot at ${forms.join(", ")}; SIGUSR2 and the command snapshot always take one`,
  },
  "silent-after": {
    type: "string",
    valueHint: "TIME",
    description: `With --on guest-gone: how long a guest's agent may not answer (${hostLimits.silentAfterMs / 1000}s)`,
  },
} as const satisfies Flags;

/** `isRing`: the newest is kept in a ring. Undefined where nothing is to be watched. */
export function readTriggers(values: FlagValues<typeof triggerFlags>, isRing: boolean): TriggerOptions | undefined {
  const { on, "silent-after": silentAfter } = values;
  const triggers = new Map(on.map((text) => [text, readTrigger(text)]));
  if (on.length > 0 && !isRing)
    throw new AgentError("usage", "--on is for --last, which is not given", {
      remedy: "as in --last 30s --on latency=20ms",
    });
  if (silentAfter !== undefined && !triggers.has("guest-gone"))
    throw new AgentError("usage", "--silent-after is for --on guest-gone, which is not given");
  if (triggers.size > cliLimits.triggersMax)
    throw new AgentError("usage", `cannot watch for more than ${cliLimits.triggersMax} triggers`);
  if (triggers.size === 0) return undefined;
  return {
    triggers: [...triggers.values()],
    silentAfterMs: silentAfter === undefined ? hostLimits.silentAfterMs : readSilence(silentAfter),
  };
}

/** The agent is asked once a second. */
function readSilence(text: string): number {
  const ms = parseDuration("silent-after", text);
  if (ms >= hostLimits.statusEveryMs) return ms;
  throw new AgentError("usage", `cannot read silent-after "${text}": guests are asked once a second`, {
    remedy: "give 1s or more",
  });
}

function readTrigger(text: string): Trigger {
  const [, word = "", value] = /^([a-z-]*)(?:=(.*))?$/s.exec(text) ?? [];
  if (value === undefined && (word === "signal" || word === "lost" || word === "guest-gone"))
    return { text, kind: word };
  if (word === "latency") return { text, kind: "latency", ns: readLatency(text, value ?? "") };
  if (word === "event") return readEvent(text, value ?? "");
  throw triggerError(
    text,
    value === undefined ? "it is not known" : `it is not known, or takes no value`,
    forms.join(", "),
  );
}

function readLatency(text: string, value: string): number {
  const [, digits, unit] = /^(\d{1,9}(?:\.\d{1,3})?)(us|ms|s)$/.exec(value) ?? [];
  const ns = Math.round(Number(digits) * (unit === "us" ? 1e3 : unit === "ms" ? 1e6 : 1e9));
  if (ns > 0 && ns <= cliLimits.latencyNsMax) return ns;
  throw triggerError(text, "it has no time", `latency=20ms; from 1us to ${cliLimits.latencyNsMax / 1e9}s`);
}

/** The filter is written as report's -F has it. */
function readEvent(text: string, value: string): Trigger {
  const [, event, expression] = /^([\w-]+:[\w-]+)(?:\/(.*))?$/s.exec(value) ?? [];
  if (event === undefined)
    throw triggerError(
      text,
      "it names no event with its system",
      "event=sched:sched_switch or event=sched:sched_switch/next_prio < 100",
    );
  const filter = expression === undefined ? event : `${event}: ${expression}`;
  try {
    parseFilter(filter);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    throw triggerError(
      text,
      error.message.replace(`cannot filter by "${filter}": `, ""),
      'event=sched:sched_switch/next_comm == "make"',
    );
  }
  return { text, kind: "event", event, filter };
}

function triggerError(text: string, what: string, remedy: string): AgentError {
  return new AgentError("usage", `cannot use trigger "${foreignText(text, 80)}": ${what}`, {
    remedy: `as in ${remedy}`,
  });
}
