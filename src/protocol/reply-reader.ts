/**
 * Reads what an agent answers on the control port (replies.ts). Every byte of it comes from a guest and is not trusted:
 * a line has a bound, a body has a bound, and what is no reply is counted and passed over.
 *
 * What an earlier host left unread lies in front: it may be cut replies or half a body, so nothing counts before the hello
 * that bears our nonce, wherever in a line that hello begins.
 */
import { limits } from "../limits.ts";
import { parseReply } from "./reply-parser.ts";
import type { Reply } from "./replies.ts";

export type ReadReply = { reply: Reply; body?: Uint8Array };

const newline = 0x0a;
const helloStart = '{"reply":"hello"';

export class ReplyReader {
  /** Lines since our hello that were no reply. */
  ignored = 0;
  readonly #nonce: string;
  #synchronized = false;
  /** The pieces of the line, or of the body, that is not complete yet. */
  #pieces: Uint8Array[] = [];
  #length = 0;
  /** The line is longer than the bound: its rest is dropped. */
  #dropping = false;
  /** The metadata reply whose body comes in, and what is missing of it. */
  #awaited: Reply | undefined;
  #bodyMissing = 0;

  constructor(nonce: string) {
    this.#nonce = nonce;
  }

  /** Whether our hello was answered. */
  get synchronized(): boolean {
    return this.#synchronized;
  }

  /** Takes bytes as they come, split or joined in any way, and gives the replies that they complete. */
  push(bytes: Uint8Array): ReadReply[] {
    const replies: ReadReply[] = [];
    for (let at = 0; at < bytes.length; ) {
      if (this.#awaited !== undefined) {
        const part = bytes.subarray(at, at + this.#bodyMissing);
        at += part.length;
        this.#bodyMissing -= part.length;
        this.#keep(part);
        if (this.#bodyMissing === 0) replies.push(this.#endBody(this.#awaited));
        continue;
      }
      const end = bytes.indexOf(newline, at);
      this.#keepOfLine(bytes.subarray(at, end < 0 ? bytes.length : end));
      if (end < 0) break;
      at = end + 1;
      const reply = this.#endLine();
      if (reply === undefined) continue;
      if (reply.reply === "metadata" && reply.bytes > 0) {
        this.#awaited = reply;
        this.#bodyMissing = reply.bytes;
      } else {
        replies.push({ reply });
      }
    }
    return replies;
  }

  #keepOfLine(part: Uint8Array): void {
    if (this.#dropping) return;
    if (this.#length + part.length <= limits.replyLineBytes) {
      this.#keep(part);
      return;
    }
    // Of stale bytes the end may be the beginning of our hello; afterwards a line that long is none of ours.
    const tail = this.#synchronized ? new Uint8Array(0) : Buffer.concat([...this.#pieces, part]).subarray(-helloTailBytes);
    this.#dropping = this.#synchronized;
    this.#pieces = [tail];
    this.#length = tail.length;
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    // The caller's buffer is used again for the next read.
    this.#pieces.push(part.slice());
    this.#length += part.length;
  }

  #take(): Buffer {
    const bytes = Buffer.concat(this.#pieces, this.#length);
    this.#pieces = [];
    this.#length = 0;
    return bytes;
  }

  #endBody(reply: Reply): ReadReply {
    this.#awaited = undefined;
    return { reply, body: this.#take() };
  }

  #endLine(): Reply | undefined {
    const text = this.#take().toString("latin1");
    const tooLong = this.#dropping;
    this.#dropping = false;
    if (!this.#synchronized) {
      const start = text.lastIndexOf(helloStart);
      const reply = start < 0 ? undefined : parseReply(text.slice(start));
      if (reply?.reply !== "hello" || reply.nonce !== this.#nonce) return undefined;
      this.#synchronized = true;
      return reply;
    }
    if (text.trim() === "" && !tooLong) return undefined;
    const reply = tooLong ? undefined : parseReply(text);
    if (reply === undefined) this.ignored++;
    return reply;
  }
}

/** A hello of `cpusMax` CPUs fits. */
const helloTailBytes = limits.replyLineBytes / 2;
