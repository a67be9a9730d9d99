/**
 * Reads what an agent answers on the control port (replies.ts). Every byte comes from a guest and is untrusted: a
 * line has a bound, a body has a bound, and anything that is no reply is counted and skipped.
 *
 * Leftovers of an earlier host come first: cut replies or half a body. So nothing counts before the hello with our
 * nonce, wherever in a line that hello begins.
 */
import { foreignAscii } from "../base/foreign-text.ts";
import { protocolLimits } from "./limits.ts";
import { type BodyTarget, FramedBody } from "./framed-body.ts";
import { parseReply, whyNoReply } from "./replies.ts";
import type { FrameReply, Reply } from "./replies.ts";

export type ReadReply = { reply: Reply; body?: Uint8Array };

const [newline, space, brace, del] = [0x0a, 0x20, 0x7b, 0x7f];
const brokenChars = 40;
const helloStart = '{"reply":"hello"';

export class ReplyReader {
  /** Lines since our hello that were no reply. */
  ignored = 0;
  /**
   * The beginning of the first of them that claims to be a reply we know, or that is no reply at all; not a newer
   * agent's reply.
   */
  broken: string | undefined;
  /** What is wrong with a hello that has our nonce and is whole, but is none that we can read. */
  invalidHello: string | undefined;
  /** Where a body that is announced from now on goes; undefined: it comes with its reply. */
  bodyTarget: BodyTarget | undefined;
  /** Nobody waits for a body: one that is announced from now on is not kept. */
  skipsBodies = false;
  readonly #nonce: string;
  #synchronized = false;
  /** The incomplete line; grows, because a guest may send byte by byte. */
  #bytes = new Uint8Array(smallBytes);
  #length = 0;
  /** The line is longer than the bound: its rest is dropped. */
  #dropping = false;
  /** The body that is received, mostly in frames, with other replies between them. */
  readonly #framed = new FramedBody();

  constructor(nonce: string) {
    this.#nonce = nonce;
  }

  /** Takes bytes as they arrive, split or joined in any way, and returns the replies that they complete. */
  push(bytes: Uint8Array): ReadReply[] {
    const replies: ReadReply[] = [];
    for (let at = 0; at < bytes.length;) {
      if (this.#framed.inFrame) {
        at += this.#framed.take(bytes.subarray(at));
        const whole = this.#framed.whole();
        if (whole !== undefined) replies.push(whole);
        continue;
      }
      const end = bytes.indexOf(newline, at);
      if (end >= 0 && this.#isNoise(bytes[at] ?? newline)) {
        this.ignored++;
        this.broken ??= foreignAscii(latin1(bytes.subarray(at, Math.min(end, at + brokenChars))));
        at = end + 1;
        continue;
      }
      this.#keepOfLine(bytes.subarray(at, end < 0 ? bytes.length : end));
      if (end < 0) break;
      at = end + 1;
      const reply = this.#endLine();
      if (reply === undefined) continue;
      if (reply.reply === "frame") {
        // It belongs to no body, or exceeds the announced size: its bytes are skipped.
        if (!this.#framed.frame(reply)) this.#ignore(JSON.stringify(reply));
      } else if (this.skipsBodies && (reply.reply === "sections" || reply.reply === "metadata")) {
        const inOnePiece = reply.reply === "metadata" && reply.frames !== true;
        this.#framed.skip(inOnePiece ? reply.bytes : 0);
      } else if (reply.reply === "sections") {
        this.#framed.begin(reply, undefined, this.bodyTarget);
      } else if (reply.reply === "metadata" && reply.frames === true && reply.bytes > 0) {
        this.#framed.begin(reply, reply.bytes);
      } else if (reply.reply === "metadata" && reply.bytes > 0) {
        this.#framed.begin(reply, reply.bytes);
        this.#framed.frame({ reply: "frame", bytes: reply.bytes });
      } else {
        replies.push({ reply });
      }
    }
    return replies;
  }

  /** The guest is not heard any more: a body that is not whole takes no more memory. */
  close(): void {
    this.#framed.drop();
  }

  /** A line that begins so is no reply. A guest may send millions of them: nothing is made of these. */
  #isNoise(first: number): boolean {
    const isText = first > space && first < del && first !== brace;
    return isText && this.#synchronized && this.#length === 0 && !this.#dropping;
  }

  #ignore(text: string): void {
    this.ignored++;
    const start = text.slice(0, protocolLimits.guestTextChars);
    if (knownStart.test(start) || !anyStart.test(start)) this.broken ??= foreignAscii(start.slice(0, brokenChars));
  }

  #keepOfLine(part: Uint8Array): void {
    if (this.#dropping) return;
    if (this.#length + part.length <= protocolLimits.replyLineBytes) {
      this.#keep(part);
      return;
    }
    // The end of leftovers may be the beginning of our hello; after the hello, so long a line is no reply.
    this.#dropping = this.#synchronized;
    const kept = this.#synchronized ? 0 : Math.max(0, Math.min(this.#length, helloTailBytes - part.length));
    this.#bytes.copyWithin(0, this.#length - kept, this.#length);
    this.#length = kept;
    if (!this.#synchronized) this.#keep(part.subarray(-helloTailBytes));
  }

  #keep(part: Uint8Array): void {
    const length = this.#length + part.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(part, this.#length);
    this.#length = length;
  }

  #endLine(): Reply | FrameReply | undefined {
    const text = latin1(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    const tooLong = this.#dropping;
    this.#dropping = false;
    if (!this.#synchronized) {
      const start = text.lastIndexOf(helloStart);
      if (start < 0) return undefined;
      const line = text.slice(start);
      const reply = parseReply(line);
      if (reply === undefined && this.#isOurs(line))
        this.invalidHello = foreignAscii(whyNoReply(line), protocolLimits.guestTextChars);
      if (reply?.reply !== "hello" || reply.nonce !== this.#nonce) return undefined;
      this.#synchronized = true;
      return reply;
    }
    const line = text.trim();
    if (line === "" && !tooLong) return undefined;
    // Where it is no object this costs a tenth of what JSON's error does: a guest may send millions of such lines.
    const reply = tooLong || !line.startsWith("{") ? undefined : parseReply(text);
    if (reply === undefined) this.#ignore(text);
    return reply;
  }

  /** Of an agent that ended within its hello, the next one's reply may follow in the line. */
  #isOurs(hello: string): boolean {
    const isWhole = hello.trimEnd().endsWith("}") && hello.lastIndexOf('{"reply":') === 0;
    return isWhole && hello.includes(`"nonce":${JSON.stringify(this.#nonce)}`);
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** The replies that we know, as a line of them begins. */
const knownStart =
  /^\{"reply":"(?:hello|host|start|stop|status|clock|metadata|sections|frame|set|restore|progress|error)"/;
const anyStart = /^\{"reply":"\w+"/;

/** Most replies fit. */
const smallBytes = 4 * 1024;
/** A hello of `cpusMax` CPUs fits. */
const helloTailBytes = protocolLimits.replyLineBytes / 2;
