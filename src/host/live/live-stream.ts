/** One CPU's stream, read into memory: whole sub-buffers are handed on as they come. */
import { E } from "../../../ffi/errno.ts";
import { readInto } from "../../../ffi/fd.ts";
import { SubBufferAssembler } from "../../kernel/sub-buffer-assembler.ts";
import { limits } from "../../limits.ts";
import { DataStream, Moved } from "../data-stream.ts";

type Take = (cpu: number, subBuffers: Uint8Array<ArrayBuffer>) => void;

export class LiveStream extends DataStream {
  readonly #buffer = new Uint8Array(new ArrayBuffer(limits.liveReadBytes));
  #take: Take | undefined;
  #assembler: SubBufferAssembler | undefined;

  constructor(cpu: number, fd: number) {
    super(cpu, fd, undefined);
  }

  /** From now on what comes is handed on: `take` is given whole sub-buffers that are its own. Before it is thrown away. */
  begin(subBufferBytes: number, take: Take): void {
    this.#assembler = new SubBufferAssembler(subBufferBytes);
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
    if (this.#take === undefined || this.#assembler === undefined) this.discarded += count;
    else {
      this.received += count;
      const whole = this.#assembler.push(this.#buffer.subarray(0, count));
      if (whole.length > 0) this.#take(this.cpu, whole);
    }
    return Moved.share;
  }
}
