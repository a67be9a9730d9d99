/**
 * Replies on their way into the control port: never blocking, bounded, dropped and counted when the port takes
 * nothing for long. They are kept in order, except that short replies overtake a body that goes in frames.
 */
import { E } from "../../../ffi/errno.ts";
import { writeFrom } from "../../../ffi/fd.ts";
import { guestLimits } from "../limits.ts";
import type { Reply } from "../../protocol/replies.ts";
import { type BodySource, Frames } from "./frames.ts";
import type { PortLock } from "./port-lock.ts";

/** A unit that is written without anything in between. */
type Unit = {
  bytes: Uint8Array<ArrayBuffer>;
  /** A frame that is cut is filled up; a line that is cut only gets its newline. */
  isFrame: boolean;
  /** Sent in frames after this line. */
  body: { source: BodySource; settle: () => void } | undefined;
  settle: () => void;
};

export class ReplyWriter {
  readonly #lock: PortLock;
  #fd = -1;
  #current: Unit | undefined;
  /** Bytes of the current unit that are already written. */
  #written = 0;
  #lines: Unit[] = [];
  /** The rest of a body that goes in frames. */
  #body: Frames | undefined;
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #stuckSince = 0;
  #dropped = 0;

  constructor(lock: PortLock) {
    this.#lock = lock;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Nothing waits for the port. */
  get idle(): boolean {
    return this.#current === undefined && this.#lines.length === 0 && this.#body === undefined;
  }

  /** A line would be the next that the port takes, at most behind a frame. */
  get lineFits(): boolean {
    return this.#lines.length === 0 && (this.#current === undefined || this.#current.isFrame);
  }

  /** `fd` -1: no way back. Replies waiting for another port are dropped. */
  attach(fd: number): void {
    this.#drop();
    this.#lock.reset();
    this.#fd = fd;
  }

  /**
   * One reply, and the bytes that follow its line. `settle` is called when the port has taken them, or they are
   * dropped.
   */
  send(reply: Reply, body?: Uint8Array, settle: () => void = () => {}): void {
    this.#add({ bytes: withLine(reply, body), isFrame: false, body: undefined, settle });
  }

  /** The same for a host that knows frames: each is filled when the port has room for it. */
  sendFramed(reply: Reply, source: BodySource, settle: () => void): void {
    this.#add({ bytes: withLine(reply), isFrame: false, body: { source, settle }, settle });
  }

  /**
   * The host that asked for a body is gone, and the next one must not get the rest. A frame that was begun is
   * completed.
   */
  dropBodies(): void {
    const gone = this.#lines.filter(({ body }) => body !== undefined);
    this.#lines = this.#lines.filter(({ body }) => body === undefined);
    for (const { bytes } of gone) this.#queuedBytes -= bytes.length;
    const begun = this.#current;
    if (begun !== undefined) begun.body = undefined;
    const rest = this.#body;
    this.#body = undefined;
    for (const { settle } of gone) settle();
    rest?.settle();
  }

  #add(unit: Unit): void {
    const size = unit.bytes.length;
    if (this.#fd < 0 || this.#queuedBytes + size > guestLimits.replyQueueBytes) {
      this.#dropped++;
      unit.settle();
      return;
    }
    this.#lines.push(unit);
    this.#queuedBytes += size;
    if (this.#timer === undefined) this.#flush();
  }

  #flush(): void {
    this.#timer = undefined;
    const begun = performance.now();
    while (!this.idle) {
      if (!this.#lock.take()) return this.#wait();
      if (!this.#lock.writeNewlines(this.#fd)) return this.#waitForRoom();
      const unit = (this.#current ??= this.#next());
      if (unit === undefined) break;
      const length = Math.min(unit.bytes.length - this.#written, guestLimits.replyWriteBytes);
      const count = writeFrom(this.#fd, unit.bytes, this.#written, length);
      if (count === -E.EAGAIN || count === 0) return this.#waitForRoom();
      if (count < 0) return this.#drop();
      this.#stuckSince = 0;
      this.#written += count;
      if (this.#written < unit.bytes.length) continue;
      this.#end(unit);
      // A frame takes work to fill: orders and signals have their turn in between.
      if (unit.isFrame && performance.now() - begun > guestLimits.metadataQuantumMs) return this.#goOn(0);
    }
    this.#lock.give();
  }

  #next(): Unit | undefined {
    const line = this.#lines[0];
    const body = this.#body;
    // One body at a time: frames do not say to which body they belong.
    if (body === undefined || (line !== undefined && line.body === undefined)) return this.#lines.shift();
    const bytes = body.next();
    this.#queuedBytes += bytes.length;
    if (body.done) this.#body = undefined;
    return { bytes, isFrame: true, body: undefined, settle: body.done ? body.settle : () => {} };
  }

  #end(unit: Unit): void {
    this.#current = undefined;
    this.#written = 0;
    this.#queuedBytes -= unit.bytes.length;
    this.#lock.give();
    if (unit.body === undefined) unit.settle();
    else this.#body = new Frames(unit.body.source, unit.body.settle);
  }

  #wait(): void {
    const now = performance.now();
    if (this.#stuckSince === 0) this.#stuckSince = now;
    if (now - this.#stuckSince > guestLimits.replyGiveUpMs) return this.#drop();
    this.#goOn(guestLimits.replyRetryMs);
  }

  #goOn(inMs: number): void {
    this.#timer = setTimeout(() => this.#flush(), inMs);
  }

  /** The lock is kept while something is incomplete: the other side could not write to a full port either. */
  #waitForRoom(): void {
    if (this.#written === 0) this.#lock.give();
    // Who reads is at work: it will have made room soon.
    if (this.#stuckSince === 0) {
      this.#stuckSince = performance.now();
      return this.#goOn(guestLimits.replyRetrySoonMs);
    }
    this.#wait();
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const current = this.#current;
    if (current !== undefined && this.#written > 0)
      this.#lock.newlinesDue = current.isFrame ? current.bytes.length - this.#written : 1;
    this.#lock.give();
    const dropped = [...(current === undefined ? [] : [current]), ...this.#lines];
    const body = this.#body;
    this.#dropped += dropped.filter(({ isFrame }) => !isFrame).length + (body === undefined ? 0 : 1);
    this.#current = undefined;
    this.#lines = [];
    this.#body = undefined;
    this.#queuedBytes = 0;
    this.#written = 0;
    this.#stuckSince = 0;
    for (const { settle } of dropped) settle();
    body?.settle();
  }
}

/** A copy in memory of its own, as write(2) needs it. */
function withLine(reply: Reply, body?: Uint8Array): Uint8Array<ArrayBuffer> {
  const line = Buffer.from(`${JSON.stringify(reply)}\n`);
  const bytes = new Uint8Array(new ArrayBuffer(line.length + (body?.length ?? 0)));
  bytes.set(line);
  if (body !== undefined) bytes.set(body, line.length);
  return bytes;
}
