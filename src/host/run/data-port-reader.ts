/**
 * One CPU's stream on the host: moves data from the port into a spool file inside the kernel.
 *
 * A FIFO is spliced into the file; a socket needs a pipe in between, because splice requires one. Data that arrives
 * before the recording begins is dropped: it belongs to an earlier one.
 */
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd, duplicateFd, O, openFd } from "../../../ffi/fd.ts";
import { type Pipe, pipeSize } from "../../../ffi/pipe.ts";
import { SPLICE, splice } from "../../../ffi/splice.ts";
import { hostLimits } from "../limits.ts";

/** Result of one call of `move`. */
export const Moved = {
  /** Everything available was moved; more may come. */
  all: 0,
  /** The quantum of this call is used up, and there is more. */
  share: 1,
  /** The other end is closed. */
  gone: 2,
  /** The spool cannot be written: `failure` is the errno. */
  full: 3,
  /** The same as `all`, and the port had room for much more: it may be left alone for a moment. */
  little: 4,
} as const;
export type Moved = (typeof Moved)[keyof typeof Moved];

/** Of a stream: what came of it, or was left by a recorder that was killed. */
export type StreamReader = Pick<DataPortReader, "cpu" | "received"> & Partial<Pick<DataPortReader, "openPiece">>;

export class DataPortReader {
  readonly cpu: number;
  readonly fd: number;
  /** Bytes written to the spool. */
  received = 0;
  /** Bytes that were dropped: before the recording, and beyond its size limit. */
  discarded = 0;
  /** Of these, the bytes that arrived when the size limit was reached. */
  surplus = 0;
  /** Upper bound of `received`: see `keepAtMost`. */
  receivedMax = Infinity;
  gone = false;
  failure = 0;
  readonly #pipe: Pipe | undefined;
  /** Less than this is little of what the port can hold. */
  readonly #littleBytes: number;
  #shareBytes: number = hostLimits.streamShareBytes;
  #target: number;
  #spooling = false;
  /** The stream lies in files of so many bytes; the next one is made when this one is full. */
  #pieces: { bytes: number; make: (index: number) => number } | undefined;
  /** Bytes that the present one still takes. */
  #room = Infinity;
  /** Its number. */
  #piece = 0;

  /** `pipe`: for a socket; readers may share it, because it is empty after every call. */
  constructor(cpu: number, fd: number, pipe: Pipe | undefined) {
    this.cpu = cpu;
    this.fd = fd;
    this.#pipe = pipe;
    this.#littleBytes = (pipe === undefined ? heldBytes(fd) : hostLimits.socketHeldBytes) / 4;
    this.#target = openFd("/dev/null", O.WRONLY);
  }

  /** It is one of so many ports of a guest, which together must not keep other guests waiting. */
  shareOf(ports: number): void {
    const { streamShareBytes, streamShareMinBytes, guestShareBytes } = hostLimits;
    this.#shareBytes = Math.max(streamShareMinBytes, Math.min(streamShareBytes, Math.floor(guestShareBytes / ports)));
  }

  /** From now on data is kept in this open file, which is closed with the reader. */
  spoolTo(file: number): void {
    closeFd(this.#target);
    this.#target = file;
    this.#spooling = true;
  }

  /** From now on data is kept in files of so many bytes each, which `make` opens and the reader closes. */
  spoolInPieces(bytes: number, make: (index: number) => number): void {
    this.spoolTo(make(0));
    this.#pieces = { bytes, make };
    this.#room = bytes;
  }

  /** To read that piece, where it is the one that is filled now; the caller closes it. To open it by its name costs more. */
  openPiece(index: number): number | undefined {
    if (this.#pieces === undefined || index !== this.#piece) return undefined;
    return duplicateFd(this.#target);
  }

  /** From now on at most this many bytes are kept; further ones are dropped. */
  keepAtMost(bytes: number): void {
    this.receivedMax = this.received + bytes;
  }

  /** All bytes that came. */
  get cameBytes(): number {
    return this.received + this.discarded;
  }

  /** Moves what is available, at most one quantum, so that every port is served. */
  move(): Moved {
    for (let moved = 0; moved < this.#shareBytes;) {
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
      this.#count(count);
      if (this.#room === 0) {
        if (!this.#nextPiece()) return Moved.full;
        continue;
      }
      // What came meanwhile is found by the next poll: a further call that finds nothing costs as much as one that moves.
      if (count < Math.min(hostLimits.spoolSpliceBytes, this.#shareBytes))
        return moved < this.#littleBytes ? Moved.little : Moved.all;
    }
    return Moved.share;
  }

  /** A stop must end: whatever the guest sends, no more is kept than it can have. */
  #count(bytes: number): void {
    this.#room -= bytes;
    if (this.#spooling) this.received += bytes;
    else this.discarded += bytes;
    if (this.received < this.receivedMax) return;
    if (!this.#spooling) this.surplus += bytes;
    else {
      closeFd(this.#target);
      this.#target = openFd("/dev/null", O.WRONLY);
      this.#spooling = false;
      this.#pieces = undefined;
      this.#room = Infinity;
    }
  }

  #nextPiece(): boolean {
    if (this.#pieces === undefined) return true;
    const { bytes, make } = this.#pieces;
    try {
      const index = Math.round(this.received / bytes);
      const next = make(index);
      closeFd(this.#target);
      this.#target = next;
      this.#piece = index;
      this.#room = bytes;
      return true;
    } catch (error) {
      const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
      this.failure = cause instanceof SystemError ? cause.errno : E.EIO;
      return false;
    }
  }

  close(): void {
    closeFd(this.fd);
    closeFd(this.#target);
    this.#pieces = undefined;
  }

  #moveFifo(): number {
    return splice(
      this.fd,
      this.#target,
      Math.min(hostLimits.spoolSpliceBytes, this.#shareBytes, this.#room),
      SPLICE.NONBLOCK | SPLICE.MOVE,
    );
  }

  #moveSocket(pipe: Pipe): number {
    const most = Math.min(hostLimits.spoolSpliceBytes, this.#shareBytes, this.#room);
    const taken = splice(this.fd, pipe.write, most, SPLICE.NONBLOCK | SPLICE.MOVE);
    for (let done = 0; done < taken;) {
      const count = splice(pipe.read, this.#target, taken - done, SPLICE.MOVE);
      if (count <= 0) return count === 0 ? -E.EIO : count;
      done += count;
    }
    return taken;
  }
}

/** What a FIFO can hold; 0 for another file, as in tests. */
function heldBytes(fd: number): number {
  try {
    return pipeSize(fd);
  } catch {
    return 0;
  }
}
