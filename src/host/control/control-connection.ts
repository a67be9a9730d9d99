/** One client of a recorder's control socket: a request at a time, each with its answer, in bounded time and memory. */
import { E } from "../../../ffi/errno.ts";
import { closeFd, readInto } from "../../../ffi/fd.ts";
import { sendMessage } from "../../../ffi/socket.ts";
import { hostLimits } from "../limits.ts";
import { type ControlReply, type ControlRequest, parseRequest } from "./messages.ts";

const newline = 0x0a;

export class ControlConnection {
  readonly #fd: number;
  readonly #answer: (request: ControlRequest) => Promise<ControlReply>;
  readonly #input = new Uint8Array(new ArrayBuffer(hostLimits.controlRequestBytes));
  #inputBytes = 0;
  #output = new Uint8Array(new ArrayBuffer(0));
  #sinceMs = performance.now();
  /** An answer is being made. */
  #isBusy = false;
  /** The client waits for the end of the recorder. */
  #waitsForEnd = false;
  /** After what is still to be sent. */
  #isLast = false;
  #closed = false;

  constructor(fd: number, answer: (request: ControlRequest) => Promise<ControlReply>) {
    this.#fd = fd;
    this.#answer = answer;
  }

  /** Does what can be done now. False when the connection is over. */
  serve(nowMs: number): boolean {
    if (this.#closed) return false;
    if (!this.#isBusy && this.#output.length === 0) this.#read(nowMs);
    if (this.#output.length > 0) this.#write(nowMs);
    if (!this.#isOver(nowMs)) return true;
    this.close();
    return false;
  }

  /** An answer that is ready is sent, as far as the client has room for it: who asked for the end, and got it at once, is told. */
  close(): void {
    if (this.#closed) return;
    if (this.#output.length > 0) this.#write(performance.now());
    closeFd(this.#fd);
    this.#closed = true;
  }

  #isOver(nowMs: number): boolean {
    if (this.#isBusy) return false;
    if (this.#output.length > 0) return nowMs - this.#sinceMs > hostLimits.controlAnswerMs;
    return this.#isLast || (!this.#waitsForEnd && nowMs - this.#sinceMs > hostLimits.controlRequestMs);
  }

  #read(nowMs: number): void {
    if (this.#lineEnd() < 0) this.#fill();
    const end = this.#lineEnd();
    if (end < 0) {
      if (this.#inputBytes === this.#input.length)
        this.#refuse(`a request has at most ${this.#input.length} bytes, in one line`);
      return;
    }
    const line = Buffer.from(this.#input.subarray(0, end)).toString("utf8");
    this.#input.copyWithin(0, end + 1, this.#inputBytes);
    this.#inputBytes -= end + 1;
    const request = parseRequest(line);
    if (request === undefined) return this.#refuse("no such request: status, snapshot and stop are known");
    this.#isBusy = true;
    this.#sinceMs = nowMs;
    void this.#answer(request).then((reply) => {
      this.#isBusy = false;
      this.#waitsForEnd = reply.reply === "stop";
      this.#say(reply);
    });
  }

  #fill(): void {
    const count = readInto(this.#fd, this.#input, this.#input.length - this.#inputBytes, this.#inputBytes);
    if (count === -E.EAGAIN || count === -E.EINTR) return;
    if (count > 0) this.#inputBytes += count;
    else this.#isLast = true;
  }

  /** Of the request that came first; -1 where it is not whole. */
  #lineEnd(): number {
    return this.#input.subarray(0, this.#inputBytes).indexOf(newline);
  }

  #refuse(error: string): void {
    this.#say({ reply: "error", error });
    this.#isLast = true;
  }

  #say(reply: ControlReply): void {
    this.#output = new Uint8Array(Buffer.from(`${JSON.stringify(reply)}\n`));
    this.#sinceMs = performance.now();
  }

  #write(nowMs: number): void {
    const sent = sendMessage(this.#fd, this.#output);
    if (sent === -E.EAGAIN || sent === -E.EINTR) return;
    if (sent < 0) {
      this.#output = new Uint8Array(new ArrayBuffer(0));
      this.#isLast = true;
      return;
    }
    this.#output = this.#output.slice(sent);
    this.#sinceMs = nowMs;
  }
}
