/** What `top` knows of one guest: its events are counted as they come, and the last seconds kept to be recorded. */
import { counted } from "../../base/plural.ts";
import { AgentError } from "../../base/errors.ts";
import type { OutputPlace } from "../../base/output-place.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import { LiveEvents, liveHoldMs } from "../../timeline/live-events.ts";
import { TraceStatistics } from "../../views/trace-statistics.ts";
import { type GuestDirectory, guestTitle } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { LiveGuest } from "./follow.ts";
import { LongestWaits } from "./longest-waits.ts";
import { RecentData } from "./recent.ts";
import { TopMeter, type TopView } from "./top-meter.ts";

/** From the first data on. */
type Counting = {
  live: LiveGuest;
  holdMs: number;
  events: LiveEvents;
  statistics: TraceStatistics;
  waits: LongestWaits;
  meter: TopMeter;
};

export class GuestMeter {
  readonly guest: GuestDirectory;
  /** As of the last measurement. */
  view: TopView | undefined;
  /** Who it is; before that, what is waited for; in the end, why it is not watched any more. */
  title: string;
  /** Time since the guest's last answer. */
  silentMs = 0;
  /** How long it is watched: "12.3 s of 110 s". */
  elapsed = "";
  /** Rates are known from the second measurement on. */
  measurements = 0;
  ended = false;
  readonly #recent: RecentData;
  #counting: Counting | undefined;
  #begin: ReadonlyMap<number, bigint> = new Map();
  #measuredMs = -Infinity;

  /** `share`: of how many guests. */
  constructor(guest: GuestDirectory, share: number) {
    this.guest = guest;
    this.title = guest.guest;
    const keepBytes = Math.max(hostLimits.topKeepMinBytes, hostLimits.topKeepBytes / share);
    this.#recent = new RecentData(Math.floor(keepBytes));
  }

  get name(): string {
    return this.guest.guest;
  }

  get heldBytes(): number {
    return this.#counting?.events.heldBytes ?? 0;
  }

  /** What is waited for, until it is known who the guest is. */
  wait(what: string): void {
    if (this.#counting === undefined) this.title = `${this.name}  ${what}`;
  }

  begin(live: LiveGuest): void {
    const { hello, trace, cpus } = live;
    const holdMs = liveHoldMs(live.latencyMs);
    const events = new LiveEvents(trace, cpus, holdMs, {
      lost: (cpu, count) => this.#counting?.statistics.lost(cpu, count),
      damaged: (cpu) => this.#counting?.statistics.damaged(cpu),
      gap: (cpu) => {
        this.#counting?.statistics.gap(cpu);
        this.#counting?.waits.summary.scheduling.gap(cpu);
      },
    });
    if (!events.inNanoseconds) {
      throw new AgentError(
        "unavailable",
        `cannot watch ${guestTitle(this.guest)}: its trace clock "${clockOf(trace)}" counts no nanoseconds`,
        { remedy: "choose another clock while watching: -C mono" },
      );
    }
    const statistics = new TraceStatistics(events.catalog, hostLimits.topTasks);
    for (const cpu of cpus) statistics.cpu(cpu);
    const meter = new TopMeter(statistics, (pid) => events.catalog.tasks.text(pid));
    const waits = new LongestWaits(events.catalog, cpus.length);
    this.#counting = { live, holdMs, events, statistics, waits, meter };
    this.title = `${this.name}  ${hello.hostname}  Linux ${hello.kernel}  ${counted(cpus.length, "CPU")}`;
  }

  started(times: ReadonlyMap<number, bigint>): void {
    this.#begin = times;
    this.#counting?.events.startAt(times);
  }

  push(cpu: number, bytes: Uint8Array<ArrayBuffer>, nowMs: number): void {
    this.#recent.push(cpu, bytes, nowMs);
    this.#counting?.events.push(cpu, bytes, nowMs);
  }

  /** Counts what is due; measures after `everyMs`. True when more events are to be counted. */
  turn(nowMs: number, everyMs: number): { more: boolean; measured: TopView | undefined } {
    const counting = this.#counting;
    if (counting === undefined) return { more: false, measured: undefined };
    const { events, statistics, waits, meter, holdMs } = counting;
    const more = events.release(nowMs, (record, kind) => {
      statistics.add(record, kind);
      waits.summary.scheduling.add(record, kind);
    });
    // The second measurement, with which rates are known, comes soon: top shows something within a second.
    const dueMs = this.measurements < 2 ? Math.min(everyMs, hostLimits.topRefreshMs) : everyMs;
    if (nowMs - this.#measuredMs < dueMs) return { more, measured: undefined };
    this.#measuredMs = nowMs;
    this.measurements++;
    const shown = (events.guestNow(nowMs) ?? 0) - holdMs * 1e6;
    const stamp = Math.max(shown, statistics.last === -Infinity ? shown : statistics.last);
    return { more, measured: { ...meter.measure(stamp), longestWait: waits.take(stamp) } };
  }

  /** Writes the last seconds as a trace.dat; the number of its events. Undefined before the first data. */
  save(place: OutputPlace): number | undefined {
    if (this.#counting === undefined) return undefined;
    const { live, statistics } = this.#counting;
    const names = new Map(statistics.busiest(Infinity).map(({ pid, name }) => [pid, name]));
    return this.#recent.save(place, live, { names, begin: this.#begin });
  }
}
