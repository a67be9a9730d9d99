/**
 * The events of all CPUs by time stamp, from readers of each CPU's sub-buffers. Holds one block of bytes per CPU,
 * whatever the size of the recording.
 */
import { timelineLimits } from "./limits.ts";
import type { StampConverter } from "./machine-clock.ts";
import type { EventRecord } from "../events/event-record.ts";
import { type Damage, SubBufferCursor, type SubBufferLayout } from "../ring-buffer/sub-buffer.ts";
import type { SubBufferReader } from "../trace-dat/trace-source.ts";

/** Reported along with the events. */
export type MergeListener = {
  /** From the CPU's event that was given last on, events are lost, or cannot be read: before any other event is given. */
  gap?: (cpu: number) => void;
  /** Events of `cpu` were lost before the event that comes next from it; -1 if the kernel did not count them. */
  lost?: (cpu: number, count: number) => void;
  /** The rest of a sub-buffer cannot be read. */
  damaged?: (cpu: number, damage: Damage | StreamDamage) => void;
};

export type StreamDamage = "nothing but empty sub-buffers" | "it is cut short";

/** One CPU's events, one at a time. */
export class CpuEvents {
  readonly cpu: number;
  readonly cursor: SubBufferCursor;
  view: DataView<ArrayBuffer>;
  /** Lost before the current event; reported with it. */
  lostEvents = 0;
  ended = false;
  /** Time of the current event, as it is shown. */
  timestamp = 0;
  /** Among the merged CPUs. */
  place = 0;
  /** Number of sub-buffers begun so far: a change shows where one ends. */
  subBuffers = 0;
  readonly #reader: SubBufferReader;
  #block = new Uint8Array(new ArrayBuffer(0));
  readonly #blockBytes: number;
  readonly #listener: MergeListener;
  readonly #convert: StampConverter | undefined;
  #filled = 0;
  /** Empty sub-buffers in a row. */
  #emptyOnes = 0;
  #offset = 0;
  #sizeBytes: number;

  /** `convert`: for a CPU whose stamps need conversion. `blockBytes`: bytes per read. */
  constructor(
    reader: SubBufferReader,
    layout: SubBufferLayout,
    epoch: bigint,
    listener: MergeListener = {},
    convert?: StampConverter,
    blockBytes: number = timelineLimits.recordingReadBytes,
  ) {
    this.#convert = convert;
    this.cpu = reader.cpu;
    this.#reader = reader;
    this.#sizeBytes = layout.sizeBytes;
    this.#blockBytes = Math.max(1, Math.floor(blockBytes / layout.sizeBytes)) * layout.sizeBytes;
    this.view = new DataView(this.#block.buffer);
    this.cursor = new SubBufferCursor(layout, epoch);
    this.#listener = listener;
    this.#offset = -layout.sizeBytes;
  }

  /** Moves to the next event; false at the end. */
  next(): boolean {
    while (!this.cursor.next()) {
      if (this.cursor.damage !== undefined) {
        this.#listener.gap?.(this.cpu);
        this.#listener.damaged?.(this.cpu, this.cursor.damage);
        this.cursor.damage = undefined;
      }
      if (!this.#nextSubBuffer()) {
        this.ended = true;
        return false;
      }
    }
    const { timestamp } = this.cursor;
    this.timestamp = this.#convert === undefined ? timestamp : this.#convert(timestamp);
    return true;
  }

  /** What the view shows. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#block;
  }

  #nextSubBuffer(): boolean {
    this.#offset += this.#sizeBytes;
    if (this.#offset + this.#sizeBytes > this.#filled) {
      // A block holds only whole sub-buffers, except the recording's last block.
      if (this.#offset < this.#filled) this.#listener.damaged?.(this.cpu, "it is cut short");
      if (this.#block.length === 0) {
        this.#block = new Uint8Array(new ArrayBuffer(this.#blockBytes));
        this.view = new DataView(this.#block.buffer);
      }
      this.#filled = this.#reader.read(this.#block);
      this.#offset = 0;
      if (this.#filled < this.#sizeBytes) {
        if (this.#filled > 0) this.#listener.damaged?.(this.cpu, "it is cut short");
        this.#filled = 0;
        return false;
      }
    }
    this.cursor.reset(this.view, this.#offset);
    this.subBuffers++;
    // The kernel never delivers empty ones. A file of nothing else, which compresses to nothing, is not read to its
    // end.
    if (this.cursor.remainingBytes > 0) this.#emptyOnes = 0;
    else if (++this.#emptyOnes > timelineLimits.emptySubBuffersMax) {
      this.#listener.damaged?.(this.cpu, "nothing but empty sub-buffers");
      return false;
    }
    if (this.cursor.lostEvents !== 0) {
      this.lostEvents = this.cursor.lostEvents;
      this.#listener.gap?.(this.cpu);
    }
    return true;
  }
}

/** The earliest time stamp of a sub-buffer; 0 without any. Other stamps are best given relative to it. */
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

/** Bytes to read at a time of each of this many CPUs. */
export function blockBytesFor(cpus: number): number {
  return Math.min(
    timelineLimits.recordingReadBytes,
    Math.floor(timelineLimits.recordingBlocksBytes / Math.max(1, cpus)),
  );
}

export class EventMerger {
  /** Time of the first event; undefined if there is none. */
  readonly first: number | undefined;
  /** The other CPUs: a binary heap, the CPU whose event is the earliest first. A machine may have thousands. */
  readonly #waiting: CpuEvents[];
  readonly #record: EventRecord;
  readonly #listener: MergeListener;
  #current: CpuEvents | undefined;
  /** The current CPU's events come next as long as they are not later than this. */
  #limit = -Infinity;
  /** At the limit itself the CPU that is first in the list wins. */
  #limitIncluded = false;

  constructor(cpus: readonly CpuEvents[], record: EventRecord, listener: MergeListener = {}) {
    this.#record = record;
    this.#listener = listener;
    for (const [place, cpu] of cpus.entries()) cpu.place = place;
    // A list in order is a heap.
    this.#waiting = cpus.filter((cpu) => cpu.next()).sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.first = this.#waiting[0]?.timestamp;
  }

  /** Puts the next event of all CPUs into the record; false at the end. */
  next(): boolean {
    let current = this.#current;
    if (current === undefined || !current.next()) current = this.#choose(this.#waiting.pop());
    else {
      const { timestamp } = current;
      if (timestamp > this.#limit || (timestamp === this.#limit && !this.#limitIncluded))
        current = this.#choose(current);
    }
    if (current === undefined) return false;
    const record = this.#record;
    const { cursor } = current;
    record.at = cursor.dataOffset;
    record.size = cursor.dataBytes;
    record.timestamp = current.timestamp;
    if (current.lostEvents !== 0) {
      this.#listener.lost?.(current.cpu, current.lostEvents);
      current.lostEvents = 0;
    }
    return true;
  }

  /** The CPU with the next event. Then `other` waits: the one that was current, or the heap's last if that has ended. */
  #choose(other: CpuEvents | undefined): CpuEvents | undefined {
    const waiting = this.#waiting;
    const [best = other] = waiting;
    if (other !== undefined && best !== other) sinkFromTop(waiting, other);
    const [next] = waiting;
    this.#current = best;
    this.#limit = next === undefined ? Infinity : next.timestamp;
    this.#limitIncluded = best !== undefined && next !== undefined && best.place < next.place;
    if (best !== undefined && this.#record.view !== best.view) this.#record.attach(best.view, best.bytes);
    if (best !== undefined) this.#record.cpu = best.cpu;
    return best;
  }
}

/** Of equal times the CPU that is first in the list wins. */
function isBefore(first: CpuEvents, second: CpuEvents): boolean {
  return first.timestamp < second.timestamp || (first.timestamp === second.timestamp && first.place < second.place);
}

/** Puts `cpu` in the place of the heap's top, and down to where it belongs. */
function sinkFromTop(heap: CpuEvents[], cpu: CpuEvents): void {
  let at = 0;
  for (;;) {
    let below = at * 2 + 1;
    let child = heap[below];
    if (child === undefined) break;
    const right = heap[below + 1];
    if (right !== undefined && isBefore(right, child)) {
      child = right;
      below++;
    }
    if (!isBefore(child, cpu)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = cpu;
}
