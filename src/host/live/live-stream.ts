/** One CPU's stream, read into memory: whole sub-buffers are handed on as they come. */
import { E } from "../../../ffi/errno.ts";
import { readInto } from "../../../ffi/fd.ts";
import { limits } from "../../limits.ts";
import { DataStream, Moved } from "../data-stream.ts";

type Take = (cpu: number, subBuffers: Uint8Array<ArrayBuffer>) => void;

export class LiveStream extends DataStream {
  readonly #buffer = new Uint8Array(new ArrayBuffer(limits.liveReadBytes));
  #take: Take | undefined;
  #subBufferBytes = 0;
  /** The beginning of a sub-buffer whose rest has not come yet. */
  #rest = new Uint8Array(new ArrayBuffer(0));

  constructor(cpu: number, fd: number) {
    super(cpu, fd, undefined);
  }

  /** From now on what comes is handed on: `take` is given whole sub-buffers that are its own. Before it is thrown away. */
  begin(subBufferBytes: number, take: Take): void {
    this.#subBufferBytes = subBufferBytes;
    this.#take = take;
  }

  /** One read: what comes is to be shown before more is taken, so that a guest that is too fast loses events, not us memory. */
  override move(): Moved {
    const count = readInto(this.fd, this.#buffer);
    if (count === -E.EAGAIN || count === -E.EINTR) return Moved.all;
    if (count <= 0) {
      this.gone = true;
      return Moved.gone;
    }
    this.lastDataMs = performance.now();
    if (this.#take === undefined) this.discarded += count;
    else {
      this.received += count;
      this.#hand(this.#take, count);
    }
    return Moved.share;
  }

  #hand(take: Take, count: number): void {
    const all = new Uint8Array(new ArrayBuffer(this.#rest.length + count));
    all.set(this.#rest);
    all.set(this.#buffer.subarray(0, count), this.#rest.length);
    const whole = all.length - (all.length % this.#subBufferBytes);
    this.#rest = all.slice(whole);
    if (whole > 0) take(this.cpu, all.subarray(0, whole));
  }
}
