/**
 * Live events: from the streams of all CPUs, by time, each shown as soon as possible.
 *
 * An idle CPU's events arrive later than a busy one's, up to the agent's latency. So an event is held until every
 * CPU has delivered a later one, or until that latency has passed since it happened. Its time is estimated from
 * stamps: the smallest difference between the arrival of a sub-buffer and its last event's stamp gives the guest's
 * current time. Events that arrive even later, from a slow guest, are shown at once.
 */
import { timelineLimits } from "./limits.ts";
import { EventCatalog, type EventType } from "../events/event-catalog.ts";
import type { MergeListener } from "./event-merge.ts";
import { EventRecord } from "../events/event-record.ts";
import { clockOf, countsNanoseconds, shownInSeconds } from "../tracefs/trace-clocks.ts";
import { GuestClock } from "./guest-clock.ts";
import { LiveCpu } from "./live-cpu.ts";
import type { TraceMetadata } from "../events/trace-metadata.ts";

/** How long events are held to be put in order. `latencyMs`: how long one may wait in the guest; undefined where it is not told. */
export function liveHoldMs(latencyMs: number | undefined): number {
  return latencyMs === undefined ? timelineLimits.liveHoldUntoldMs : latencyMs + timelineLimits.liveHoldMoreMs;
}

export type TakeEvent = (record: EventRecord, kind: EventType | undefined) => void;

export class LiveEvents {
  readonly catalog: EventCatalog;
  readonly record = new EventRecord();
  readonly inNanoseconds: boolean;
  /** Time stamps are shown as seconds. */
  readonly inSeconds: boolean;
  /** What the record's stamps are relative to: the first stamp received. */
  epoch: bigint | undefined;
  readonly #cpus = new Map<number, LiveCpu>();
  readonly #numbers: readonly number[];
  readonly #listener: MergeListener;
  readonly #holdMs: number;
  readonly #clock = new GuestClock();
  readonly #rename: (kind: EventType | undefined) => void;
  /** Events of a CPU before this stamp are not given: they lay in the ring buffer when it began. */
  #begin: ReadonlyMap<number, bigint> = new Map();
  /** Since when something waits, in ms. */
  #waitingSinceMs: number | undefined;
  #sinceCollected = 0;

  /** `cpus`: those with a stream. `holdMs`: liveHoldMs(). */
  constructor(metadata: TraceMetadata, cpus: readonly number[], holdMs: number, listener: MergeListener = {}) {
    this.catalog = new EventCatalog(metadata);
    this.inNanoseconds = countsNanoseconds(clockOf(metadata));
    this.inSeconds = shownInSeconds(clockOf(metadata));
    this.#numbers = cpus;
    this.#listener = listener;
    this.#holdMs = holdMs;
    this.#rename = taskRenamer(this.catalog, this.record);
  }

  /** To be called before anything is pushed: each CPU's trace time from which on its events are given. */
  startAt(times: ReadonlyMap<number, bigint>): void {
    this.#begin = times;
  }

  /** Takes whole sub-buffers of a CPU for its own, which came now. */
  push(cpu: number, bytes: Uint8Array<ArrayBuffer>, nowMs: number): void {
    const { layout } = this.catalog.metadata;
    if (bytes.length < layout.sizeBytes) return;
    this.epoch ??= new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, layout.littleEndian);
    let live = this.#cpus.get(cpu);
    if (live === undefined) {
      const begin = this.#begin.get(cpu);
      live = new LiveCpu(cpu, layout, this.epoch, {
        begin: begin === undefined ? -Infinity : Number(begin - this.epoch),
        damaged: (damage) => this.#listener.damaged?.(cpu, damage),
        gap: () => this.#listener.gap?.(cpu),
      });
      this.#cpus.set(cpu, live);
    }
    live.push(bytes);
    this.#collect(bytes.length);
    this.#clock.observe(nowMs, live.newest);
    this.#waitingSinceMs ??= nowMs;
  }

  /** The collector runs late for memory outside its heap, which sub-buffers fill by the gigabyte. */
  #collect(bytes: number): void {
    this.#sinceCollected += bytes;
    if (this.#sinceCollected < timelineLimits.liveCollectAfterBytes) return;
    this.#sinceCollected = 0;
    Bun.gc(true);
  }

  /**
   * Passes on the events that are due, one after the other in `record`, but only for a moment, so that signals and
   * ports are handled. True when more are due.
   */
  release(nowMs: number, take: TakeEvent): boolean {
    return this.#releaseUntil(this.#limit(nowMs), take);
  }

  /** Passes on the rest: nothing more will arrive. True when there is still more. */
  finish(take: TakeEvent): boolean {
    return this.#releaseUntil(Infinity, take);
  }

  /** Bytes received and not passed on yet. */
  get heldBytes(): number {
    let held = 0;
    for (const { heldBytes } of this.#cpus.values()) held += heldBytes;
    return held;
  }

  /**
   * The guest's current time, as a stamp relative to the epoch, as well as it is known; undefined before data
   * arrived.
   */
  guestNow(nowMs: number): number | undefined {
    return this.inNanoseconds ? this.#clock.at(nowMs) : undefined;
  }

  /** Up to which stamp events may be shown. */
  #limit(nowMs: number): number {
    if (this.#waitingSinceMs === undefined) return -Infinity;
    if (this.heldBytes > timelineLimits.liveHeldBytes) return Infinity;
    const guestNow = this.guestNow(nowMs);
    if (guestNow === undefined || this.#clock.samples < timelineLimits.liveClockSamples) {
      return nowMs - this.#waitingSinceMs >= timelineLimits.liveArrivalHoldMs ? Infinity : -Infinity;
    }
    const brought = this.#numbers.map((cpu) => this.#cpus.get(cpu)?.newest ?? -Infinity);
    return Math.max(guestNow - this.#holdMs * 1e6, Math.min(...brought));
  }

  #releaseUntil(limit: number, take: TakeEvent): boolean {
    const { record, catalog } = this;
    const endMs = performance.now() + timelineLimits.liveSliceMs;
    for (let events = 1; ; events++) {
      let first: LiveCpu | undefined;
      for (const cpu of this.#cpus.values()) {
        if (cpu.ready && (first === undefined || cpu.cursor.timestamp < first.cursor.timestamp)) first = cpu;
      }
      if (first === undefined) {
        this.#waitingSinceMs = undefined;
        return false;
      }
      if (first.cursor.timestamp > limit) return false;
      if (events % timelineLimits.liveSliceEvents === 0 && performance.now() >= endMs) return true;
      if (first.lostEvents !== 0) this.#listener.lost?.(first.cpu, first.lostEvents);
      first.lostEvents = 0;
      if (record.view !== first.view) record.attach(first.view);
      record.cpu = first.cpu;
      record.at = first.cursor.dataOffset;
      record.size = first.cursor.dataBytes;
      record.timestamp = first.cursor.timestamp;
      const kind = catalog.kindOf(record);
      this.#rename(kind);
      take(record, kind);
      first.advance();
    }
  }
}

/** Tasks' names from sched_switch: those of the metadata become outdated. */
function taskRenamer(catalog: EventCatalog, record: EventRecord): (kind: EventType | undefined) => void {
  const switching = catalog.find("sched", "sched_switch");
  const pairs = (["prev", "next"] as const).flatMap((which) => {
    const [pid, comm] = [switching?.number(`${which}_pid`), switching?.text(`${which}_comm`)];
    return pid === undefined || comm === undefined ? [] : [{ pid, comm }];
  });
  return (kind) => {
    if (kind === undefined || kind !== switching || record.size < kind.format.minBytes) return;
    for (const { pid, comm } of pairs)
      catalog.tasks.rename(pid.low(record), record.bytes, record.at + comm.offset, comm.size);
  };
}
