/** The host's end of a port in tests: collects what comes out of a FIFO or socket, and can be slow on purpose. */
import { closeSync, constants, openSync, readSync } from "node:fs";

/** How soon all readers look again: while bytes come, and where none came for a while. */
const lookMs = 2;
const lookMostMs = 10;

/** Those that are not paused. They have one timer, since each wake-up costs more than what is done in it. */
const readers = new Set<PortReader>();
let timer: NodeJS.Timeout | undefined;

function lookAfter(waitMs: number): void {
  timer = setTimeout(() => {
    let nextMs = Math.min(lookMostMs, waitMs + 1);
    try {
      for (const reader of readers) {
        const before = reader.length;
        reader.poll();
        if (reader.length > before) nextMs = lookMs;
      }
    } finally {
      if (readers.size === 0) timer = undefined;
      else lookAfter(nextMs);
    }
  }, waitMs);
}

export class PortReader {
  readonly #fd: number;
  readonly #chunks: Buffer[] = [];
  readonly #buffer = Buffer.alloc(1 << 20);
  #length = 0;

  /** Opens a FIFO without a wait for the writer, or takes a non-blocking fd over. Reads at once unless `paused`. */
  constructor(source: string | number, options: { paused?: boolean } = {}) {
    this.#fd = typeof source === "number" ? source : openSync(source, constants.O_RDONLY | constants.O_NONBLOCK);
    if (options.paused !== true) this.resume();
  }

  resume(): void {
    readers.add(this);
    if (timer === undefined) lookAfter(lookMs);
  }

  pause(): void {
    readers.delete(this);
  }

  /** Reads all that is there now, unless it is paused. */
  look(): void {
    if (readers.has(this)) this.poll();
  }

  /** Reads all that is there now. */
  poll(limit = Infinity): void {
    while (limit > 0) {
      let count: number;
      try {
        count = readSync(this.#fd, this.#buffer, 0, Math.min(this.#buffer.length, limit), null);
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "EAGAIN") return;
        throw error;
      }
      if (count === 0) return;
      limit -= count;
      this.#length += count;
      this.#chunks.push(Buffer.from(this.#buffer.subarray(0, count)));
    }
  }

  get length(): number {
    return this.#length;
  }

  /** All that was read since the beginning, or since the last `take()`. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#length = 0;
    return bytes;
  }

  /** All that lies in the port now: after a stop reply that is all there will be, however late the timers of this process are. */
  takeAll(): Buffer {
    this.poll();
    return this.take();
  }

  /** What take() would give, which it still gives. */
  peek(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  close(): void {
    this.pause();
    closeSync(this.#fd);
  }
}
