/**
 * One CPU's stream on the host: from the port into a spool file, inside the kernel.
 *
 * A FIFO is spliced into the file; a socket takes the way through a pipe, since splice needs one. Until the recording
 * begins what comes is thrown away: it belongs to an earlier one.
 */
import { E } from "../../ffi/errno.ts";
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import type { Pipe } from "../../ffi/pipe.ts";
import { SPLICE, splice } from "../../ffi/splice.ts";
import { limits } from "../limits.ts";

/** What a turn came to. */
export const Moved = {
  /** All that was there; more may come. */
  all: 0,
  /** Its share of this turn, and there is more. */
  share: 1,
  /** The other end is closed. */
  gone: 2,
  /** The spool takes no more: `failure` is the errno. */
  full: 3,
} as const;
export type Moved = (typeof Moved)[keyof typeof Moved];

export class DataStream {
  readonly cpu: number;
  readonly fd: number;
  /** Bytes that went into the spool. */
  received = 0;
  /** Bytes that came and were thrown away. */
  discarded = 0;
  /** performance.now() of the last byte. */
  lastDataMs = 0;
  gone = false;
  failure = 0;
  readonly #pipe: Pipe | undefined;
  #target: number;
  #spooling = false;

  /** `pipe`: for a socket; streams may share it, for it is empty after every turn. */
  constructor(cpu: number, fd: number, pipe: Pipe | undefined) {
    this.cpu = cpu;
    this.fd = fd;
    this.#pipe = pipe;
    this.#target = openFd("/dev/null", O.WRONLY);
  }

  /** From now on what comes is kept in a new file at `path`. */
  spoolTo(path: string): void {
    const file = openFd(path, O.WRONLY | O.CREAT | O.EXCL, 0o600);
    closeFd(this.#target);
    this.#target = file;
    this.#spooling = true;
  }

  /** Moves what is there, but no more than a share, so that every stream has its turn. */
  move(): Moved {
    for (let moved = 0; moved < limits.streamShareBytes; ) {
      const count = this.#pipe === undefined ? this.#moveFifo() : this.#moveSocket(this.#pipe);
      if (count === -E.EAGAIN || count === -E.EINTR) return Moved.all;
      if (count === 0 || count === -E.ECONNRESET) {
        this.gone = true;
        return Moved.gone;
      }
      if (count < 0) {
        this.failure = -count;
        return Moved.full;
      }
      moved += count;
      this.lastDataMs = performance.now();
      if (this.#spooling) this.received += count;
      else this.discarded += count;
    }
    return Moved.share;
  }

  close(): void {
    closeFd(this.fd);
    closeFd(this.#target);
  }

  #moveFifo(): number {
    return splice(this.fd, this.#target, limits.spoolSpliceBytes, SPLICE.NONBLOCK | SPLICE.MOVE);
  }

  #moveSocket(pipe: Pipe): number {
    const taken = splice(this.fd, pipe.write, limits.spoolSpliceBytes, SPLICE.NONBLOCK | SPLICE.MOVE);
    for (let done = 0; done < taken; ) {
      const count = splice(pipe.read, this.#target, taken - done, SPLICE.MOVE);
      if (count <= 0) return count === 0 ? -E.EIO : count;
      done += count;
    }
    return taken;
  }
}
