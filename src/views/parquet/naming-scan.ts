/**
 * A quick look at a sub-buffer: most tell only the names of tasks that were named before, and need not be read event by event. What it
 * does not understand it leaves to who reads.
 */
import { typeLong, typeMask, typePadding, typeTimeExtend } from "../../ring-buffer/event-header.ts";
import type { SubBufferCursor, SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { SeenPids } from "./seen-pids.ts";
import type { Telling } from "./telling-events.ts";

/** Numbers of events have 16 bits. */
const eventIds = 65_536;

export class NamingScan {
  /** By number of an event where its pids are, in words from 1 on; 0 of one that tells none. */
  readonly #first = new Int32Array(eventIds);
  readonly #second = new Int32Array(eventIds);
  /** By number of an event the bytes that it has at least. */
  readonly #least = new Int32Array(eventIds);
  #words = new Int32Array(0);

  private constructor(events: Telling) {
    for (const [id, told] of events.entries()) {
      const [first, second] = told ?? [];
      if (first === undefined) continue;
      this.#first[id] = 1 + first.pidOffset / 4;
      this.#second[id] = second === undefined ? 0 : 1 + second.pidOffset / 4;
      this.#least[id] = first.minBytes;
    }
  }

  /** Undefined where more than a look at words is needed. `typeOffset`: of the number in each event. */
  static of(events: Telling, typeOffset: number, layout: SubBufferLayout): NamingScan | undefined {
    const isPlain = events.every(
      (told = []) => told.length <= 2 && told.every(({ pidOffset }) => pidOffset >= 0 && pidOffset % 4 === 0),
    );
    const inWords = layout.littleEndian && layout.sizeBytes % 4 === 0 && typeOffset === 0;
    return isPlain && inWords ? new NamingScan(events) : undefined;
  }

  /** Whether what the cursor did not visit yet of a sub-buffer may name a task that was not seen. `block`: what the cursor reads. */
  mayName(block: Uint8Array<ArrayBuffer>, cursor: SubBufferCursor, seen: SeenPids): boolean {
    if (this.#words.buffer !== block.buffer) this.#words = new Int32Array(block.buffer, 0, block.length >> 2);
    const from = cursor.position >> 2;
    return this.#look(this.#words, from, from + (cursor.remainingBytes >> 2), seen);
  }

  #look(words: Int32Array, from: number, end: number, seen: SeenPids): boolean {
    const [firsts, seconds, leasts] = [this.#first, this.#second, this.#least];
    for (let at = from; at < end;) {
      const head = words[at++] ?? 0;
      let size = head & typeMask;
      if (size === typePadding && (head & ~typeMask) === 0) return false;
      if (size >= typeTimeExtend) {
        at++;
        continue;
      }
      if (size === typePadding || size === typeLong) {
        const bytes = words[at] ?? 0;
        if (bytes < 4 || bytes > (end - at) * 4) return true;
        const isPadding = size === typePadding;
        size = (bytes + 3) >>> 2;
        if (isPadding) {
          at += size;
          continue;
        }
        at++;
        size--;
      }
      if (at + size > end) return true;
      const id = (words[at] ?? 0) & 0xffff;
      const first = firsts[id] ?? 0;
      if (first > 0 && size * 4 >= (leasts[id] ?? 0)) {
        if (!seen.knows(words[at + first - 1] ?? 0)) return true;
        const second = seconds[id] ?? 0;
        if (second > 0 && !seen.knows(words[at + second - 1] ?? 0)) return true;
      }
      at += size;
    }
    return false;
  }
}
