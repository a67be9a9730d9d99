/**
 * The events of all CPUs in the order of their time stamps, from readers of each CPU's sub-buffers. Holds one block of
 * bytes per CPU, whatever the size of the recording.
 */
import { limits } from "../limits.ts";
import type { EventRecord } from "./event-record.ts";
import { type Damage, SubBufferCursor, type SubBufferLayout } from "./sub-buffer.ts";
import type { SubBufferReader } from "./trace-source.ts";

/** What is told of the events beside the events. */
export type MergeListener = {
  /** Events of `cpu` were lost before the event that comes next from it; -1 if the kernel did not count them. */
  lost?: (cpu: number, count: number) => void;
  /** The rest of a sub-buffer cannot be read. */
  damaged?: (cpu: number, damage: Damage) => void;
};

/** One CPU's events, one at a time. */
export class CpuEvents {
  readonly cpu: number;
  readonly cursor: SubBufferCursor;
  view: DataView<ArrayBuffer>;
  /** Lost before the current event; told with it. */
  lostEvents = 0;
  ended = false;
  /** Begun so far: it changes where a sub-buffer ends. */
  subBuffers = 0;
  readonly #reader: SubBufferReader;
  readonly #block: Uint8Array<ArrayBuffer>;
  readonly #listener: MergeListener;
  #filled = 0;
  #offset = 0;
  #sizeBytes: number;

  constructor(reader: SubBufferReader, layout: SubBufferLayout, epoch: bigint, listener: MergeListener = {}) {
    this.cpu = reader.cpu;
    this.#reader = reader;
    this.#sizeBytes = layout.sizeBytes;
    const subBuffers = Math.max(1, Math.floor(limits.recordingReadBytes / layout.sizeBytes));
    this.#block = new Uint8Array(new ArrayBuffer(subBuffers * layout.sizeBytes));
    this.view = new DataView(this.#block.buffer);
    this.cursor = new SubBufferCursor(layout, epoch);
    this.#listener = listener;
    this.#offset = -layout.sizeBytes;
  }

  /** Goes to the next event; false at the end. */
  next(): boolean {
    while (!this.cursor.next()) {
      if (this.cursor.damage !== undefined) {
        this.#listener.damaged?.(this.cpu, this.cursor.damage);
        this.cursor.damage = undefined;
      }
      if (!this.#nextSubBuffer()) {
        this.ended = true;
        return false;
      }
    }
    return true;
  }

  #nextSubBuffer(): boolean {
    this.#offset += this.#sizeBytes;
    if (this.#offset + this.#sizeBytes > this.#filled) {
      this.#filled = this.#reader.read(this.#block);
      this.#offset = 0;
      if (this.#filled < this.#sizeBytes) return false;
    }
    this.cursor.reset(this.view, this.#offset);
    this.subBuffers++;
    if (this.cursor.lostEvents !== 0) this.lostEvents = this.cursor.lostEvents;
    return true;
  }
}

/** The time stamp that the earliest sub-buffer begins with; 0 without any. Others are best given relative to it. */
export function firstTimestamp(readers: readonly SubBufferReader[], layout: SubBufferLayout): bigint {
  const block = new Uint8Array(new ArrayBuffer(layout.sizeBytes));
  const view = new DataView(block.buffer);
  let first: bigint | undefined;
  for (const reader of readers) {
    if (reader.read(block) < layout.sizeBytes) continue;
    const stamp = view.getBigUint64(0, layout.littleEndian);
    if (first === undefined || stamp < first) first = stamp;
  }
  return first ?? 0n;
}

export class EventMerger {
  readonly #cpus: CpuEvents[];
  readonly #record: EventRecord;
  readonly #listener: MergeListener;
  #current: CpuEvents | undefined;
  /** The current CPU's events come next as long as they are no later than this. */
  #limit = -Infinity;
  /** At the limit itself the CPU that comes first in the list is preferred. */
  #limitIncluded = false;

  constructor(cpus: readonly CpuEvents[], record: EventRecord, listener: MergeListener = {}) {
    this.#record = record;
    this.#listener = listener;
    this.#cpus = cpus.filter((cpu) => cpu.next());
  }

  /** Puts the next event of all into the record; false at the end. */
  next(): boolean {
    const before = this.#current;
    if (before !== undefined && !before.next()) this.#remove(before);
    let current = this.#current;
    if (current === undefined) current = this.#choose();
    else {
      const { timestamp } = current.cursor;
      if (timestamp > this.#limit || (timestamp === this.#limit && !this.#limitIncluded)) current = this.#choose();
    }
    if (current === undefined) return false;
    const record = this.#record;
    const { cursor } = current;
    record.at = cursor.dataOffset;
    record.size = cursor.dataBytes;
    record.timestamp = cursor.timestamp;
    if (current.lostEvents !== 0) {
      this.#listener.lost?.(current.cpu, current.lostEvents);
      current.lostEvents = 0;
    }
    return true;
  }

  #remove(cpu: CpuEvents): void {
    this.#cpus.splice(this.#cpus.indexOf(cpu), 1);
    this.#current = undefined;
  }

  #choose(): CpuEvents | undefined {
    let best: CpuEvents | undefined;
    let bestIndex = 0;
    let limit = Infinity;
    let limitIndex = 0;
    for (const [index, cpu] of this.#cpus.entries()) {
      const { timestamp } = cpu.cursor;
      if (best === undefined || timestamp < best.cursor.timestamp) {
        if (best !== undefined) {
          limit = best.cursor.timestamp;
          limitIndex = bestIndex;
        }
        best = cpu;
        bestIndex = index;
      } else if (timestamp < limit) {
        limit = timestamp;
        limitIndex = index;
      }
    }
    this.#current = best;
    this.#limit = limit;
    this.#limitIncluded = bestIndex < limitIndex;
    if (best !== undefined && this.#record.view !== best.view) this.#record.lieIn(best.view);
    if (best !== undefined) this.#record.cpu = best.cpu;
    return best;
  }
}
