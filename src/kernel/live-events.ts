/**
 * Events while they come: from the streams of all CPUs, in the order of their times, each shown as soon as it may be.
 *
 * An idle CPU's events come later than a busy one's, up to the time that the agent lets them wait. So an event is held until
 * every CPU has brought a later one, or until that time has passed since it happened. When that was is told by the stamps:
 * the smallest difference between the time that a sub-buffer came and its last event's stamp tells what the guest's clock
 * shows now. What comes later still, from a guest that is behind, is shown at once.
 */
import { limits } from "../limits.ts";
import { EventCatalog, type EventKind } from "./event-catalog.ts";
import type { MergeListener } from "./event-merge.ts";
import { EventRecord } from "./event-record.ts";
import { nanosecondClocks } from "./event-stream.ts";
import { LiveCpu } from "./live-cpu.ts";
import type { TraceMetadata } from "./trace-source.ts";

export class LiveEvents {
  readonly catalog: EventCatalog;
  readonly record = new EventRecord();
  readonly inNanoseconds: boolean;
  /** What the record's stamps count from: the first stamp that came. */
  epoch: bigint | undefined;
  readonly #cpus = new Map<number, LiveCpu>();
  readonly #numbers: readonly number[];
  readonly #listener: MergeListener;
  readonly #clock = new GuestClock();
  readonly #rename: (kind: EventKind | undefined) => void;
  /** Since when something waits, in ms. */
  #waitingSinceMs: number | undefined;

  /** `cpus`: those that a stream is read from. */
  constructor(metadata: TraceMetadata, cpus: readonly number[], listener: MergeListener = {}) {
    this.catalog = new EventCatalog(metadata);
    this.inNanoseconds = nanosecondClocks.test(metadata.clock);
    this.#numbers = cpus;
    this.#listener = listener;
    this.#rename = taskRenamer(this.catalog, this.record);
  }

  /** Takes whole sub-buffers of a CPU for its own, which came now. */
  push(cpu: number, bytes: Uint8Array<ArrayBuffer>, nowMs: number): void {
    const { layout } = this.catalog.metadata;
    if (bytes.length < layout.sizeBytes) return;
    this.epoch ??= new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, layout.littleEndian);
    let live = this.#cpus.get(cpu);
    if (live === undefined) {
      live = new LiveCpu(cpu, layout, this.epoch, (damage) => this.#listener.damaged?.(cpu, damage));
      this.#cpus.set(cpu, live);
    }
    live.push(bytes);
    this.#clock.observe(nowMs, live.newest);
    this.#waitingSinceMs ??= nowMs;
  }

  /** Gives the events whose time has come, one after the other in `record`. */
  release(nowMs: number, take: (record: EventRecord, kind: EventKind | undefined) => void): void {
    this.#releaseUntil(this.#limit(nowMs), take);
  }

  /** Gives all that is left: nothing more comes. */
  finish(take: (record: EventRecord, kind: EventKind | undefined) => void): void {
    this.#releaseUntil(Infinity, take);
  }

  /** The guest's time now, as a stamp relative to the epoch: as well as it is known; undefined before anything came. */
  guestNow(nowMs: number): number | undefined {
    return this.inNanoseconds ? this.#clock.at(nowMs) : undefined;
  }

  /** Up to which stamp events may be shown. */
  #limit(nowMs: number): number {
    if (this.#waitingSinceMs === undefined) return -Infinity;
    let held = 0;
    for (const { heldBytes } of this.#cpus.values()) held += heldBytes;
    if (held > limits.liveHeldBytes) return Infinity;
    const guestNow = this.guestNow(nowMs);
    if (guestNow === undefined || this.#clock.samples < limits.liveClockSamples) {
      return nowMs - this.#waitingSinceMs >= limits.liveArrivalHoldMs ? Infinity : -Infinity;
    }
    const brought = this.#numbers.map((cpu) => this.#cpus.get(cpu)?.newest ?? -Infinity);
    return Math.max(guestNow - limits.liveHoldMs * 1e6, Math.min(...brought));
  }

  #releaseUntil(limit: number, take: (record: EventRecord, kind: EventKind | undefined) => void): void {
    const { record, catalog } = this;
    for (;;) {
      let first: LiveCpu | undefined;
      for (const cpu of this.#cpus.values()) {
        if (cpu.ready && (first === undefined || cpu.cursor.timestamp < first.cursor.timestamp)) first = cpu;
      }
      if (first === undefined) {
        this.#waitingSinceMs = undefined;
        return;
      }
      if (first.cursor.timestamp > limit) return;
      if (first.lostEvents !== 0) this.#listener.lost?.(first.cpu, first.lostEvents);
      first.lostEvents = 0;
      if (record.view !== first.view) record.lieIn(first.view);
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

/** What the guest's clock shows, from the stamps of what comes. */
class GuestClock {
  samples = 0;
  /** Smallest lateness, in ms of our clock less ms of the guest's: of the window before, and of this one. */
  #before = Infinity;
  #now = Infinity;
  #windowMs = -Infinity;

  observe(nowMs: number, stamp: number): void {
    if (nowMs - this.#windowMs > limits.liveClockWindowMs) {
      this.#before = this.#now;
      this.#now = Infinity;
      this.#windowMs = nowMs;
    }
    this.samples++;
    this.#now = Math.min(this.#now, nowMs - stamp / 1e6);
  }

  at(nowMs: number): number | undefined {
    const lateness = Math.min(this.#before, this.#now);
    return lateness === Infinity ? undefined : (nowMs - lateness) * 1e6;
  }
}

/** Tasks' names as sched_switch tells them: those of the metadata grow old. */
function taskRenamer(catalog: EventCatalog, record: EventRecord): (kind: EventKind | undefined) => void {
  const switching = catalog.find("sched", "sched_switch");
  const pairs = (["prev", "next"] as const).flatMap((which) => {
    const [pid, comm] = [switching?.number(`${which}_pid`), switching?.text(`${which}_comm`)];
    return pid === undefined || comm === undefined ? [] : [{ pid, comm }];
  });
  return (kind) => {
    if (kind === undefined || kind !== switching || record.size < kind.format.minBytes) return;
    for (const { pid, comm } of pairs) catalog.tasks.rename(pid.low(record), record.bytes, record.at + comm.offset, comm.size);
  };
}
