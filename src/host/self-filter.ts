/**
 * Leaves the events of this program and its agent out of a recording of their own machine, as each event that they cause would
 * cause more. sched_switch and sched_waking stay: without them nobody could tell what a CPU did.
 *
 * By event filters, not by set_event_notrace_pid: that drops a switch between two of our own threads, and with it who ran (8 of 1,000
 * switches, measured with 16 threads on 2 busy CPUs). Filters cost more with each comparison, so neighbouring threads are named by a range.
 * An event of raw_syscalls takes 83 ns without filter, 88 with set_event_notrace_pid, 103 with six ranges, 151 with 28 threads one by one.
 */
import { existsSync, readdirSync } from "node:fs";
import { log } from "../base/log.ts";
import { messageOf } from "../base/errors.ts";
import { protocolLimits } from "../protocol/limits.ts";
import type { Found } from "../protocol/replies.ts";
import { enabledEventNames } from "../tracefs/event-list.ts";
import { readTracing, writeTracing } from "../tracefs/tracefs.ts";
import type { SelfExclusion } from "./guest-directory.ts";
import { hostLimits } from "./limits.ts";

/** Whole, whoever causes them. */
const keptWhole: ReadonlySet<string> = new Set(["sched:sched_switch", "sched:sched_waking"]);
/** Filters of these cannot be set. */
const withoutFilters: ReadonlySet<string> = new Set(["ftrace"]);

type Planned = { file: string; value: string };

export class SelfFilter implements SelfExclusion {
  readonly #instance: string;
  readonly #processes: readonly number[];
  /** Filters that were there, of the user who records; by event. */
  #given: Map<string, string> | undefined;
  /** Those that the filters name, or will when all is written. */
  #threads = "";
  #planned: Planned[] = [];
  #lookedMs = 0;
  #told = false;

  /** `instance`: its directory in tracefs; it is removed after the recording, so nothing is restored. */
  constructor(instance: string, processes: readonly number[]) {
    this.#instance = instance;
    this.#processes = processes;
  }

  /** When the events are enabled, and before the recording begins. */
  begin(): void {
    this.#plan(threadsOf(this.#processes));
    for (const write of this.#planned.splice(0)) this.#write(write);
  }

  /** To be called often. Returns within a moment: some kernels wait for all CPUs at each file, and there may be 150. */
  refresh(): void {
    const now = performance.now();
    if (this.#planned.length === 0 && now - this.#lookedMs < hostLimits.selfFilterEveryMs) return;
    this.#lookedMs = now;
    const threads = threadsOf(this.#processes);
    if (threads.join() !== this.#threads) this.#plan(threads);
    for (let write = this.#planned.shift(); write !== undefined; write = this.#planned.shift()) {
      this.#write(write);
      if (performance.now() - now > hostLimits.selfFilterTurnMs) return;
    }
  }

  /** The user's filters alone. */
  without(found: Found): Found {
    const filters = [...(this.#given ?? [])].map(([event, filter]) => ({ event, filter }));
    return { ...found, filters: filters.slice(0, protocolLimits.foundFilters), filtersInAll: filters.length };
  }

  /** What is to be written so that these threads are left out. */
  #plan(threads: readonly number[]): void {
    this.#threads = threads.join();
    this.#planned = [];
    const set = (file: string, value: string): unknown => this.#planned.push({ file, value });
    const filter = filterAgainst(threads);
    if (filter.length > hostLimits.selfFilterChars) {
      this.#tell(`${threads.length} threads are too many for a filter`);
      return;
    }
    const bySystem = Map.groupBy(enabledEventNames(this.#instance), (name) => name.slice(0, name.indexOf(":")));
    const isFirst = this.#given === undefined;
    const given = (this.#given ??= this.#givenFilters([...bySystem.values()].flat()));
    for (const [system, events] of bySystem) {
      if (withoutFilters.has(system)) continue;
      const special = events.filter((name) => given.has(name) || keptWhole.has(name));
      // Of the whole system at once, as the first: later that would undo for a moment what is special.
      const isWhole = special.length === 0 || isFirst;
      if (isWhole) set(`events/${system}/filter`, filter);
      for (const name of isWhole ? special : events) {
        const before = given.get(name);
        if (keptWhole.has(name) && !isFirst) continue;
        if (keptWhole.has(name)) set(fileOf(name), before ?? "0");
        else set(fileOf(name), before === undefined ? filter : `(${before}) && (${filter})`);
      }
    }
    // Function tracers know no filters.
    set("set_ftrace_notrace_pid", threads.join(" "));
  }

  #givenFilters(events: readonly string[]): Map<string, string> {
    const given = new Map<string, string>();
    for (const name of events) {
      if (withoutFilters.has(name.slice(0, name.indexOf(":")))) continue;
      const text = readTracing(this.#instance, fileOf(name));
      if (text !== "none") given.set(name, text);
    }
    return given;
  }

  #write({ file, value }: Planned): void {
    if (!existsSync(`${this.#instance}/${file}`)) return;
    try {
      writeTracing(this.#instance, file, value);
    } catch (error) {
      // A kernel whose function tracing is off refuses its files.
      if (file === "set_ftrace_notrace_pid") log.debug(messageOf(error));
      else this.#tell(messageOf(error));
    }
  }

  #tell(why: string): void {
    if (!this.#told) log.warn(`events of trace-agent itself are recorded: ${why}`);
    this.#told = true;
  }
}

const fileOf = (name: string): string => `events/${name.replace(":", "/")}/filter`;

/** Of processes that may have ended, in ascending order. */
function threadsOf(processes: readonly number[]): number[] {
  const threads = processes.flatMap((pid) => {
    try {
      return readdirSync(`/proc/${pid}/task`).map(Number);
    } catch {
      return [];
    }
  });
  return threads.sort((a, b) => a - b);
}

/** Exactly these: threads are numbered in the order in which they begin, so that those of a process are neighbours. */
export function filterAgainst(threads: readonly number[]): string {
  const ranges: { first: number; last: number }[] = [];
  for (const thread of threads) {
    const range = ranges.at(-1);
    if (range !== undefined && thread === range.last + 1) range.last = thread;
    else ranges.push({ first: thread, last: thread });
  }
  return ranges
    .map(({ first, last }) =>
      first === last ? `common_pid != ${first}` : `(common_pid < ${first} || common_pid > ${last})`,
    )
    .join(" && ");
}
