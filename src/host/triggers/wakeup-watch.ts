/**
 * Watches the wake-up latencies of one machine in its streams. CPUs deliver at different times: what they did is held until all of them
 * must have delivered (timeline/live-events.ts does so for shown events), and what comes later still makes all that is known void.
 */
import { countsNanoseconds, clockOf } from "../../tracefs/trace-clocks.ts";
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventRecord } from "../../events/event-record.ts";
import { GuestClock } from "../../timeline/guest-clock.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import {
  switchReaders,
  wakingReaders,
  type WakingReaders,
  type SwitchReaders,
} from "../../views/scheduling/scheduler-events.ts";
import { hostLimits } from "../limits.ts";
import { Sched, SchedQueue } from "./sched-queue.ts";
import { type LongWait, WakeupWaits } from "./wakeup-waits.ts";

export class WakeupWatch {
  readonly #waits: WakeupWaits;
  readonly #queues = new Map<number, SchedQueue>();
  readonly #newest = new Map<number, number>();
  readonly #clock = new GuestClock();
  readonly #holdNs: number;
  readonly #switch: SwitchReaders;
  readonly #wakings: ReadonlyMap<EventType, WakingReaders>;
  /** What was told of up to here. */
  #until = -Infinity;

  private constructor(
    readers: { switching: SwitchReaders; wakings: ReadonlyMap<EventType, WakingReaders> },
    latencyMs: number,
    waits: WakeupWaits,
  ) {
    this.#switch = readers.switching;
    this.#wakings = readers.wakings;
    this.#holdNs = (latencyMs + hostLimits.triggerHoldMoreMs) * 1e6;
    this.#waits = waits;
  }

  /** `latencyMs`: how long an event may wait in the machine. Returns why its latencies cannot be known, where they cannot. */
  static of(
    catalog: EventCatalog,
    { mostNs, latencyMs }: { mostNs: number; latencyMs: number },
    tell: (wait: LongWait) => void,
  ): WakeupWatch | string {
    const [switching, wakings] = [switchReaders(catalog), wakingReaders(catalog)];
    if (switching === undefined || wakings.size === 0)
      return "it records no sched_switch, or no sched_waking and sched_wakeup";
    const clock = clockOf(catalog.metadata);
    if (!countsNanoseconds(clock)) return `its trace clock "${clock}" does not count ns`;
    return new WakeupWatch({ switching, wakings }, latencyMs, new WakeupWaits(mostNs, tell));
  }

  /** By the numbers of events. */
  get events(): readonly EventType[] {
    return [this.#switch.kind, ...this.#wakings.keys()];
  }

  add(record: EventRecord, kind: EventType): void {
    if (record.size < kind.format.minBytes) return;
    const { timestamp, cpu } = record;
    if (kind === this.#switch.kind)
      this.#push(timestamp, cpu, Sched.switches, this.#switch.prevPid(record), this.#switch.nextPid(record));
    else {
      const waking = this.#wakings.get(kind);
      if (waking !== undefined && waking.success(record) !== 0)
        this.#push(timestamp, cpu, Sched.wakes, waking.pid(record), waking.target(record));
    }
  }

  /** Events of a CPU are not known between two times. */
  gap(cpu: number, from: number, to: number): void {
    this.#push(from, cpu, Sched.losing, 0, 0);
    this.#push(to, cpu, Sched.lost, 0, 0);
  }

  /** Data of a CPU came, the newest of this time. */
  came(cpu: number, newest: number, nowMs: number): void {
    this.#newest.set(cpu, newest);
    this.#clock.observe(nowMs, newest);
  }

  /** Tells of what is certain by now. `mostTime`: up to which all CPUs have been read. */
  release(nowMs: number, mostTime: number): void {
    const guestNow = this.#clock.at(nowMs);
    if (guestNow === undefined || this.#clock.samples < timelineLimits.liveClockSamples) return;
    const until = Math.min(guestNow - this.#holdNs, mostTime);
    if (until <= this.#until) return;
    for (;;) {
      let first: SchedQueue | undefined;
      for (const queue of this.#queues.values())
        if (queue.time <= until && (first === undefined || queue.time < first.time)) first = queue;
      if (first === undefined) break;
      this.#waits.add(first.time, first.cpu, first.kind, first.first, first.second);
      first.shift();
    }
    this.#until = until;
    this.#waits.knownUntil(until, (cpu) => this.#newest.get(cpu) ?? -Infinity);
  }

  #push(time: number, cpu: number, kind: Sched, first: number, second: number): void {
    let queue = this.#queues.get(cpu);
    if (queue === undefined) this.#queues.set(cpu, (queue = new SchedQueue(cpu)));
    if (time < this.#until) this.#waits.forget();
    if (queue.length >= hostLimits.triggerHeldMax) {
      for (const each of this.#queues.values()) each.clear();
      this.#waits.reset();
    }
    queue.push(time, kind, first, second);
  }
}
