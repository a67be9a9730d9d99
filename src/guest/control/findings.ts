/**
 * Reads from the tracing directory what can keep events out of a recording, so that an empty one can be explained:
 * tracing switched off, tasks left out, filters of enabled events.
 */
import { guestLimits } from "../limits.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { Found } from "../../protocol/replies.ts";
import { enabledEventNames } from "../../tracefs/event-list.ts";
import { readTracing } from "../../tracefs/tracefs.ts";

type Filters = Pick<Found, "filters" | "filtersInAll">;

/** Text of set_event_pid and set_event_notrace_pid when no task is chosen. */
const noPid = "no pid";

export class Findings {
  readonly #directory: string;
  #filters: Filters | undefined;

  constructor(tracingDirectory: string) {
    this.#directory = tracingDirectory;
  }

  /** The filters are cached: there can be a file for each of thousands of events. */
  get now(): Found {
    return {
      tracingOn: this.#read("tracing_on") !== "0",
      pids: this.#pids("set_event_pid"),
      notracePids: this.#pids("set_event_notrace_pid"),
      ...(this.#filters ??= this.#lookForFilters()),
    };
  }

  /** Other events are enabled, or another session begins. */
  forgetFilters(): void {
    this.#filters = undefined;
  }

  #lookForFilters(): Filters {
    const filters: Filters["filters"] = [];
    let filtersInAll = 0;
    let names: string[] = [];
    try {
      names = enabledEventNames(this.#directory).slice(0, guestLimits.filtersChecked);
    } catch {
      // A removed instance: the order that needs it reports it.
    }
    for (const event of names) {
      const filter = this.#read(`events/${event.replace(":", "/")}/filter`);
      if (filter === "" || filter === "none") continue;
      filtersInAll++;
      if (filters.length < protocolLimits.foundFilters) filters.push({ event, filter: bounded(filter) });
    }
    return { filters, filtersInAll };
  }

  #pids(name: string): string {
    const text = this.#read(name).split("\n").join(" ");
    return text.startsWith(noPid) ? "" : bounded(text);
  }

  /** A kernel that lacks a file has nothing set in it. */
  #read(name: string): string {
    try {
      return readTracing(this.#directory, name);
    } catch {
      return "";
    }
  }
}

function bounded(text: string): string {
  return text.slice(0, protocolLimits.guestTextChars);
}
