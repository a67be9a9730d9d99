/**
 * Replies on their way into the control port: never blocking, kept in order, bounded, dropped and counted when the port
 * takes nothing for long. A reply that was cut by that is ended with a newline before the next one.
 */
import { E } from "../../ffi/errno.ts";
import { writeFrom } from "../../ffi/fd.ts";
import { limits } from "../limits.ts";
import type { Reply } from "../protocol/replies.ts";

export class ReplyWriter {
  #fd = -1;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #queuedBytes = 0;
  /** Bytes of the first of the queue that are written already. */
  #written = 0;
  /** The port holds the beginning of a reply whose rest was dropped. */
  #torn = false;
  #timer: NodeJS.Timeout | undefined;
  #stuckSince = 0;
  #dropped = 0;

  get dropped(): number {
    return this.#dropped;
  }

  /** `fd` -1: no way back. What was waiting for another port is dropped. */
  attach(fd: number): void {
    this.#drop();
    this.#torn = false;
    this.#fd = fd;
  }

  /** One reply, and the bytes that belong behind its line. */
  send(reply: Reply, body?: Uint8Array): void {
    const line = Buffer.from(`${JSON.stringify(reply)}\n`);
    const size = line.length + (body?.length ?? 0);
    if (this.#fd < 0 || this.#queuedBytes + size > limits.replyQueueBytes) {
      this.#dropped++;
      return;
    }
    const bytes = new Uint8Array(new ArrayBuffer(size));
    bytes.set(line);
    if (body !== undefined) bytes.set(body, line.length);
    this.#queue.push(bytes);
    this.#queuedBytes += size;
    if (this.#timer === undefined) this.#flush();
  }

  #flush(): void {
    this.#timer = undefined;
    for (let bytes = this.#queue[0]; bytes !== undefined; bytes = this.#queue[0]) {
      if (this.#torn && !this.#endTornLine()) return this.#wait();
      const length = Math.min(bytes.length - this.#written, limits.replyWriteBytes);
      const count = writeFrom(this.#fd, bytes, this.#written, length);
      if (count === -E.EAGAIN || count === 0) return this.#wait();
      if (count < 0) return this.#drop();
      this.#stuckSince = 0;
      this.#written += count;
      if (this.#written === bytes.length) {
        this.#queue.shift();
        this.#queuedBytes -= bytes.length;
        this.#written = 0;
      }
    }
  }

  #endTornLine(): boolean {
    const newline = new Uint8Array(new ArrayBuffer(1)).fill(0x0a);
    this.#torn = writeFrom(this.#fd, newline) !== 1;
    return !this.#torn;
  }

  #wait(): void {
    const now = performance.now();
    if (this.#stuckSince === 0) this.#stuckSince = now;
    if (now - this.#stuckSince > limits.replyGiveUpMs) return this.#drop();
    this.#timer = setTimeout(() => this.#flush(), limits.replyRetryMs);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#torn = this.#torn || this.#written > 0;
    this.#dropped += this.#queue.length;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#written = 0;
    this.#stuckSince = 0;
  }
}
