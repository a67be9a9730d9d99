/** Which events of a recording are selected: by name, CPU, task and time. */
import { AgentError } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import { closest } from "../base/suggest.ts";
import type { EventCatalog } from "../events/event-catalog.ts";
import { eventMatcher } from "./event-names.ts";

export type EventSelection = {
  /** "sched_switch", "sched:sched_switch", "sched", and with * and ?; none: all. */
  events?: readonly string[] | undefined;
  cpus?: readonly number[] | undefined;
  pids?: readonly number[] | undefined;
  /** "sched_switch: next_pid == 5", as `trace-cmd report -F` takes them: an event is shown that one of them matches. */
  filters?: readonly string[] | undefined;
  /** Names of tasks: their events, and those whose field pid or next_pid is theirs. */
  comms?: readonly string[] | undefined;
  /** In seconds of the recording's clock, as reports show them; in its own unit if they show that. */
  from?: string | undefined;
  to?: string | undefined;
};

/** By event number: 1 if selected. Throws a usage error for a name that no format has. */
export function wantedKinds(catalog: EventCatalog, events: readonly string[] | undefined): Uint8Array | undefined {
  if (events === undefined || events.length === 0) return undefined;
  const wanted = new Uint8Array(65_536);
  for (const name of events) {
    const [first = "", second] = name.split(/[:/]/, 2);
    const matches = second === undefined ? eventMatcher(first, undefined) : eventMatcher(second, first);
    const found = catalog.heads.filter((head) => matches(head.system, head.name));
    if (found.length === 0) throw noEvent(catalog, name);
    for (const { id } of found) wanted[id] = 1;
  }
  return wanted;
}

function noEvent({ heads }: EventCatalog, name: string): AgentError {
  const known = /[:/]/.test(name)
    ? heads.map((head) => `${head.system}:${head.name}`)
    : heads.flatMap((head) => [head.name, head.system]);
  const near = closest(name.replace("/", ":"), known);
  return new AgentError("usage", `cannot select event "${name}": the recording has no format of that name`, {
    remedy: near === undefined ? "trace-agent report --stat names the events" : `did you mean ${foreignText(near)}?`,
  });
}

/** Times are shown in microseconds, rounded. */
const shownDigits = 6;

export type TimeRange = { from: bigint | undefined; to: bigint | undefined };

/**
 * The range of times: events whose shown time lies within it, with the precision that was given. Throws a usage
 * error for an invalid time, or an end before the beginning.
 */
export function timeRange({ from, to }: EventSelection, inSeconds: boolean): TimeRange {
  const [first, last] = [shownTimes("--from", from, inSeconds), shownTimes("--to", to, inSeconds)];
  if (first !== undefined && last !== undefined && first.least > last.most) {
    throw new AgentError("usage", `cannot select from ${from} to ${to}: it ends before it begins`, {
      remedy: "--from gives the earlier time, --to the later one",
    });
  }
  return { from: first?.least, to: last?.most };
}

/** The same of recordings that show seconds, before they are opened; undefined where there is none, or that cannot be said yet. */
export function timeRangeBefore(selection: EventSelection): TimeRange | undefined {
  if (selection.from === undefined && selection.to === undefined) return undefined;
  try {
    return timeRange(selection, true);
  } catch (error) {
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}

/**
 * The times that are shown as this one: "2430.25" in ns; a number in the clock's unit if times are not shown in
 * seconds.
 */
function shownTimes(
  option: string,
  text: string | undefined,
  inSeconds: boolean,
): { least: bigint; most: bigint } | undefined {
  if (text === undefined) return undefined;
  const [, sign, seconds, fraction = ""] = /^(-?)(\d{1,19})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (seconds === undefined || (!inSeconds && fraction !== "")) {
    throw new AgentError("usage", `cannot read ${option} "${text}": it is no time`, {
      remedy: inSeconds
        ? "give seconds as the report shows them: 2430.25"
        : "give a whole number as the report shows it",
    });
  }
  const absolute = inSeconds ? BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0")) : BigInt(seconds);
  const time = sign === "-" ? -absolute : absolute;
  if (!inSeconds || fraction.length > shownDigits) return { least: time, most: time };
  return { least: time - 500n, most: time + 499n };
}
