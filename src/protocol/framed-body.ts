/**
 * Assembles a body on the host: announced by a reply, then received frame by frame, or in one piece. It is held in memory, or goes
 * where whoever waits for it says. What all guests of this program have in memory is bounded: beyond that the largest is dropped.
 */
import { protocolLimits } from "./limits.ts";
import type { FrameReply, MetadataReply, SectionsReply } from "./replies.ts";

type BodyReply = MetadataReply | SectionsReply;

/** Takes a body as it comes; after `restart` anew, from its beginning. */
export type BodyTarget = { restart: () => void; write: (part: Uint8Array) => void };

const receiving = new Set<FramedBody>();

export class FramedBody {
  #reply: BodyReply | undefined;
  /** Undefined where only the last frame says that it is complete. */
  #total: number | undefined;
  #target: BodyTarget | undefined;
  /** Grows with received bytes: a guest that only announces much costs nothing. */
  #bytes = new Uint8Array(0);
  #length = 0;
  /** Bytes left of the current frame, whether it belongs to this body, and whether it is its last. */
  #frameMissing = 0;
  #wanted = false;
  #last = false;
  /** The frames of a body that nobody waits for. */
  #isSkipping = false;

  /** The next bytes belong to a frame, not to a line. */
  get inFrame(): boolean {
    return this.#frameMissing > 0;
  }

  /** An earlier, incomplete body is dropped: its agent has dropped the rest. Without a target it is held. */
  begin(reply: BodyReply, total: number | undefined, target?: BodyTarget): void {
    this.#forget();
    this.#isSkipping = false;
    this.#reply = reply;
    this.#total = total;
    this.#target = target;
    this.#last = false;
    this.#length = 0;
    target?.restart();
  }

  /** Drops what comes of a body that is announced, whose first piece has so many bytes. */
  skip(bytes: number): void {
    this.#forget();
    this.#isSkipping = true;
    this.#frameMissing = bytes;
  }

  /** A frame follows. False where it cannot be a part of the body; then the body is dropped. */
  frame({ bytes, last }: FrameReply): boolean {
    this.#frameMissing = bytes;
    this.#last = last === true;
    if (this.#isSkipping) return true;
    const most = this.#total ?? protocolLimits.metadataBytes;
    this.#wanted = this.#reply !== undefined && this.#length + bytes <= most;
    if (!this.#wanted) this.#forget();
    return this.#wanted;
  }

  /** Takes the frame's part from the front of `bytes`; returns how many bytes. */
  take(bytes: Uint8Array): number {
    const part = bytes.subarray(0, this.#frameMissing);
    this.#frameMissing -= part.length;
    if (this.#wanted) this.#keep(part);
    return part.length;
  }

  /** The reply with its body, which is empty where it went to a target, once the body is complete. */
  whole(): { reply: BodyReply; body: Uint8Array } | undefined {
    const reply = this.#reply;
    if (reply === undefined || this.inFrame) return undefined;
    if (this.#total === undefined ? !this.#last : this.#length < this.#total) return undefined;
    const body = this.#bytes.subarray(0, this.#target === undefined ? this.#length : 0);
    this.#forget();
    return { reply, body };
  }

  /** Nobody waits for it any more. */
  drop(): void {
    this.#forget();
  }

  #keep(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (this.#target !== undefined) this.#target.write(part);
    else {
      if (length > this.#bytes.length) this.#makeRoom(length);
      if (this.#reply === undefined) return;
      this.#bytes.set(part, this.#length);
    }
    this.#length = length;
  }

  #makeRoom(length: number): void {
    const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    receiving.add(this);
    FramedBody.#dropTooMuch();
  }

  #forget(): void {
    this.#reply = undefined;
    this.#wanted = false;
    this.#bytes = new Uint8Array(0);
    receiving.delete(this);
  }

  static #dropTooMuch(): void {
    let largest: FramedBody | undefined;
    let inAll = 0;
    for (const body of receiving) {
      inAll += body.#bytes.length;
      if (largest === undefined || body.#bytes.length > largest.#bytes.length) largest = body;
    }
    if (largest !== undefined && inAll > protocolLimits.bodiesBytes) largest.#forget();
  }
}
