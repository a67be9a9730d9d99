/** Which events of a recording are asked for: by name, CPU, task and time. */
import { AgentError } from "../errors.ts";
import type { EventCatalog } from "./event-catalog.ts";

export type EventSelection = {
  /** "sched_switch", "sched:sched_switch", "sched", and with * and ?; none: all. */
  events?: readonly string[] | undefined;
  cpus?: readonly number[] | undefined;
  pids?: readonly number[] | undefined;
  /** In seconds of the recording's clock, as reports show them; in its units where it does not count ns. */
  from?: string | undefined;
  to?: string | undefined;
};

/** By event number: 1 if it is asked for. Throws a usage error for a name that no format has. */
export function wantedKinds(catalog: EventCatalog, events: readonly string[] | undefined): Uint8Array | undefined {
  if (events === undefined || events.length === 0) return undefined;
  const wanted = new Uint8Array(65_536);
  for (const name of events) {
    const matches = eventMatcher(name);
    const found = catalog.kinds.filter((kind) => kind !== undefined && matches(kind.format.system, kind.format.name));
    if (found.length === 0) {
      throw new AgentError("usage", `cannot select event "${name}": the recording has no format of that name`, {
        remedy: "give an event, a system or system:event; * and ? are allowed",
      });
    }
    for (const kind of found) wanted[kind?.format.id ?? 0] = 1;
  }
  return wanted;
}

export function eventMatcher(name: string): (system: string, event: string) => boolean {
  const [first = "", second] = name.split(/[:/]/, 2);
  if (second === undefined) {
    const either = globPattern(first);
    return (system, event) => either.test(event) || either.test(system);
  }
  const [systems, events] = [globPattern(first), globPattern(second)];
  return (system, event) => systems.test(system) && events.test(event);
}

function globPattern(glob: string): RegExp {
  const source = glob.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${source === "" ? ".*" : source}$`);
}

/** "2430.25" in ns; "25" without a point means 25 seconds too where the clock counts ns. Throws a usage error. */
export function parseTime(option: string, text: string, inNanoseconds: boolean): bigint {
  const [, seconds, fraction] = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (seconds === undefined || (!inNanoseconds && fraction !== undefined)) {
    throw new AgentError("usage", `cannot read ${option} "${text}": it is no time`, {
      remedy: inNanoseconds ? "give seconds as the report shows them: 2430.25" : "give a whole number as the report shows it",
    });
  }
  if (!inNanoseconds) return BigInt(seconds);
  return BigInt(seconds) * 1_000_000_000n + BigInt((fraction ?? "").padEnd(9, "0"));
}
