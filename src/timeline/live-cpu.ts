/** One CPU's live stream: sub-buffers that were received and not shown yet, and the next event. */
import { type Damage, SubBufferCursor, type SubBufferLayout } from "../ring-buffer/sub-buffer.ts";

export class LiveCpu {
  readonly cpu: number;
  readonly cursor: SubBufferCursor;
  /** Time stamp of the last event received. */
  newest = -Infinity;
  /** Position of the next event; valid while `ready`. */
  view = new DataView(new ArrayBuffer(0));
  ready = false;
  /** Lost before the next event. */
  lostEvents = 0;
  heldBytes = 0;
  readonly #scout: SubBufferCursor;
  readonly #begin: number;
  readonly #damaged: (what: Damage) => void;
  readonly #gap: () => void;
  /** Whole sub-buffers each; the first is `view`. */
  #blocks: DataView<ArrayBuffer>[] = [];
  #offset = 0;

  /** `begin`: events before this stamp, relative to `epoch`, are passed over, and what was lost before them. */
  constructor(
    cpu: number,
    layout: SubBufferLayout,
    epoch: bigint,
    { begin, damaged, gap }: { begin: number; damaged: (what: Damage) => void; gap: () => void },
  ) {
    this.cpu = cpu;
    this.cursor = new SubBufferCursor(layout, epoch);
    this.#scout = new SubBufferCursor(layout, epoch);
    this.#begin = begin;
    this.#damaged = damaged;
    this.#gap = gap;
  }

  /** Takes ownership of whole sub-buffers. */
  push(bytes: Uint8Array<ArrayBuffer>): void {
    const { sizeBytes } = this.cursor.layout;
    if (bytes.length < sizeBytes) return;
    const block = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#scout.reset(block, bytes.length - sizeBytes);
    while (this.#scout.next());
    if (this.#scout.timestamp > this.newest) this.newest = this.#scout.timestamp;
    this.#blocks.push(block);
    this.heldBytes += bytes.length;
    if (this.#blocks.length > 1) return;
    this.#enter(block, 0);
    if (!this.ready) this.advance();
  }

  /** Moves to the next event; afterwards `ready` is false if none was received yet. */
  advance(): void {
    const { sizeBytes } = this.cursor.layout;
    while (!(this.ready = this.#blocks.length > 0 && this.#next())) {
      if (this.cursor.damage !== undefined) {
        this.#gap();
        this.#damaged(this.cursor.damage);
      }
      this.cursor.damage = undefined;
      const [block, following] = this.#blocks;
      if (block === undefined) return;
      this.heldBytes -= sizeBytes;
      if (this.#offset + 2 * sizeBytes <= block.byteLength) this.#enter(block, this.#offset + sizeBytes);
      else {
        this.#blocks.shift();
        if (following !== undefined) this.#enter(following, 0);
      }
    }
  }

  #next(): boolean {
    while (this.cursor.next()) {
      if (this.cursor.timestamp >= this.#begin) return true;
      this.lostEvents = 0;
    }
    return false;
  }

  #enter(block: DataView<ArrayBuffer>, offset: number): void {
    this.view = block;
    this.#offset = offset;
    this.cursor.reset(block, offset);
    if (this.cursor.lostEvents === 0) return;
    this.lostEvents = this.cursor.lostEvents;
    this.#gap();
  }
}
