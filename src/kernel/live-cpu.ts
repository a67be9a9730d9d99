/** One CPU's live stream: the sub-buffers that came and were not shown yet, and the event that is next. */
import { type Damage, SubBufferCursor, type SubBufferLayout } from "./sub-buffer.ts";

export class LiveCpu {
  readonly cpu: number;
  readonly cursor: SubBufferCursor;
  /** Time stamp of the last event that came. */
  newest = -Infinity;
  /** Where the next event lies; good while `ready`. */
  view = new DataView(new ArrayBuffer(0));
  ready = false;
  /** Lost before the next event. */
  lostEvents = 0;
  heldBytes = 0;
  readonly #scout: SubBufferCursor;
  readonly #damaged: (what: Damage) => void;
  /** Whole sub-buffers each; the first is `view`. */
  #blocks: DataView<ArrayBuffer>[] = [];
  #offset = 0;

  constructor(cpu: number, layout: SubBufferLayout, epoch: bigint, damaged: (what: Damage) => void) {
    this.cpu = cpu;
    this.cursor = new SubBufferCursor(layout, epoch);
    this.#scout = new SubBufferCursor(layout, epoch);
    this.#damaged = damaged;
  }

  /** Takes whole sub-buffers for its own. */
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
    this.#begin(block, 0);
    if (!this.ready) this.advance();
  }

  /** Goes to the next event; `ready` is false afterwards if none has come yet. */
  advance(): void {
    const { sizeBytes } = this.cursor.layout;
    while (!(this.ready = this.#blocks.length > 0 && this.cursor.next())) {
      if (this.cursor.damage !== undefined) this.#damaged(this.cursor.damage);
      this.cursor.damage = undefined;
      const [block, following] = this.#blocks;
      if (block === undefined) return;
      this.heldBytes -= sizeBytes;
      if (this.#offset + 2 * sizeBytes <= block.byteLength) this.#begin(block, this.#offset + sizeBytes);
      else {
        this.#blocks.shift();
        if (following !== undefined) this.#begin(following, 0);
      }
    }
  }

  #begin(block: DataView<ArrayBuffer>, offset: number): void {
    this.view = block;
    this.#offset = offset;
    this.cursor.reset(block, offset);
    if (this.cursor.lostEvents !== 0) this.lostEvents = this.cursor.lostEvents;
  }
}
