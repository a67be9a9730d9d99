/**
 * What the control worker itself sends: answers to `clock`, and progress while main is held by the kernel. The clocks are read
 * right after read(2) and right before write(2): what lies between them on this side then does not count. An answer that the port
 * does not take is made again for the next try.
 */
import { ClockReading, clockNames } from "../../../ffi/clocks.ts";
import { E } from "../../../ffi/errno.ts";
import { writeFrom } from "../../../ffi/fd.ts";
import { guestLimits } from "../limits.ts";
import type { PortLock } from "./port-lock.ts";

export class WorkerReplies {
  readonly #lock: PortLock;
  readonly #fd: number;
  readonly #read = new ClockReading();
  readonly #sent = new ClockReading();
  /** Lines up to what is stamped when they are sent. */
  #waiting: string[] = [];
  /** A line of which the port has taken a part. */
  #begun: { bytes: Uint8Array<ArrayBuffer>; written: number } | undefined;
  #stuckSince = 0;
  #needsRoom = false;

  /** `fd`: the control port; -1 where replies have no way back. */
  constructor(lock: PortLock, fd: number) {
    this.#lock = lock;
    this.#fd = fd;
  }

  get waiting(): boolean {
    return this.#waiting.length > 0 || this.#begun !== undefined;
  }

  /** The port is full; else main holds it. */
  get needsRoom(): boolean {
    return this.waiting && this.#needsRoom;
  }

  /** When to try again at the latest; -1: nothing waits. */
  get waitMs(): number {
    if (!this.waiting) return -1;
    return this.#needsRoom ? guestLimits.replyRetryMs : guestLimits.replyRetrySoonMs;
  }

  /** Bytes were just read from the port. */
  stampRead(): void {
    this.#read.take();
  }

  answer(nonce: string): void {
    if (this.#fd < 0 || this.#waiting.length >= guestLimits.clockAnswersWaiting) return;
    // The nonce has letters and digits only.
    this.#waiting.push(`{"reply":"clock","nonce":"${nonce}","read":${textOf(this.#read)},"sent":`);
    if (this.#stuckSince === 0) this.send();
  }

  /** A sign of life, which waits for nothing: where a line is on its way, that is one. */
  progress(word: string): void {
    if (this.#fd < 0 || this.waiting || !this.#lock.take()) return;
    if (this.#lock.writeNewlines(this.#fd)) {
      this.#begun = { bytes: bytesOf(`{"reply":"progress","word":"${word}"}\n`), written: 0 };
      return this.send();
    }
    this.#lock.give();
  }

  /** Sends what waits, as far as the port takes it now. */
  send(): void {
    while (this.waiting) {
      if (!this.#lock.take()) return this.#stuck(false);
      if (!this.#lock.writeNewlines(this.#fd)) return this.#stuck(true);
      const line = this.#begun ?? this.#next();
      const count = writeFrom(this.#fd, line.bytes, line.written);
      if (count === 0 || count === -E.EAGAIN || count === -E.EINTR) return this.#stuck(true);
      if (count < 0) return this.drop();
      this.#stuckSince = 0;
      line.written += count;
      if (line !== this.#begun) this.#waiting.shift();
      this.#begun = line.written < line.bytes.length ? line : undefined;
    }
    this.#lock.give();
  }

  /** The host is gone, or does not read. */
  drop(): void {
    this.#waiting = [];
    // A line that was cut gets its end from the next writer.
    if (this.#begun !== undefined) this.#lock.newlinesDue = 1;
    this.#begun = undefined;
    this.#stuckSince = 0;
    this.#lock.give();
  }

  #next(): { bytes: Uint8Array<ArrayBuffer>; written: number } {
    const front = this.#waiting[0] ?? "";
    this.#sent.take();
    return { bytes: bytesOf(`${front}${textOf(this.#sent)}}\n`), written: 0 };
  }

  /** As with all replies, the lock is kept while a line is incomplete. */
  #stuck(needsRoom: boolean): void {
    this.#needsRoom = needsRoom;
    if (needsRoom && this.#begun === undefined) this.#lock.give();
    const now = performance.now();
    if (this.#stuckSince === 0) this.#stuckSince = now;
    if (now - this.#stuckSince > guestLimits.replyGiveUpMs) this.drop();
  }
}

/** In memory of its own, as write(2) needs it. */
function bytesOf(line: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(line.length));
  bytes.set(Buffer.from(line, "latin1"));
  return bytes;
}

function textOf(reading: ClockReading): string {
  const { tsc } = reading;
  const times = clockNames.map((name) => `"${name}":"${reading.at(name)}"`).join(",");
  return `{${times}${tsc === undefined ? "" : `,"tsc":"${tsc}"`}}`;
}
