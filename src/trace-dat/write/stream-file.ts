/** A recorded stream in its spool, opened for reading: one file, or pieces of which one is open at a time. */
import { closeSync, openSync, readSync } from "node:fs";
import { SystemError } from "../../../ffi/errno.ts";
import { readAt } from "../../../ffi/fd.ts";
import { AgentError } from "../../base/errors.ts";
import type { OutputFile } from "../../base/output-file.ts";
import { traceDatLimits } from "../limits.ts";
import type { RecordedStream } from "./recording.ts";

export class StreamFile {
  readonly #stream: RecordedStream;
  readonly #pieceBytes: number;
  /** The file that is open, and its number. */
  #fd = -1;
  #piece = -1;

  constructor(stream: RecordedStream) {
    this.#stream = stream;
    this.#pieceBytes = stream.pieces?.pieceBytes ?? Infinity;
    if (stream.pieces === undefined) this.#open(0);
  }

  /**
   * Fills `target` with the stream's bytes from `position` on; returns their number, fewer only at the stream's
   * end.
   */
  readAt(target: Uint8Array, position: number): number {
    const { path, bytes, first, last } = this.#stream;
    const wanted = Math.min(target.length, bytes - position);
    for (let got = 0; got < wanted;) {
      const { fd, offset, room } = this.#place(position + got);
      const count = readSync(fd, target, got, Math.min(wanted - got, room), offset);
      if (count === 0) throw new AgentError("io", `cannot read "${path}": it is shorter than it was`);
      got += count;
    }
    if (first !== undefined && position < first.length) target.set(first.subarray(position, position + wanted));
    if (last !== undefined) putOver(target, wanted, position, last, bytes - last.length);
    return wanted;
  }

  /** The same of a few bytes of one piece, by a cheaper call: where places are looked for they are read by the dozen. */
  readFew(target: Uint8Array<ArrayBuffer>, position: number): void {
    const { first, last, path } = this.#stream;
    const { fd, offset } = this.#place(position);
    const count = (first ?? last) === undefined ? readAt(fd, target, offset) : this.readAt(target, position);
    if (count < 0) throw new SystemError("pread", path, -count);
    if (count < target.length) throw new AgentError("io", `cannot read "${path}": it is shorter than it was`);
  }

  /** Appends all of it to a file, without a look at it; yields after `turnBytes` at most. */
  *copyTo(file: OutputFile, turnBytes: number): Generator<number, void> {
    const { bytes, first, last } = this.#stream;
    const begin = file.position;
    for (let done = 0; done < bytes;) {
      const { fd, offset, room } = this.#place(done);
      const count = Math.min(bytes - done, room, turnBytes);
      file.copyFrom(fd, offset, count);
      done += count;
      yield count;
    }
    if (first !== undefined && bytes > 0) file.patch(begin, first);
    if (last !== undefined && bytes > 0) file.patch(begin + bytes - last.length, last);
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  /** Where a byte of the stream is: a file, the place in it, and how many bytes of it follow there. */
  #place(position: number): { fd: number; offset: number; room: number } {
    const at = this.#stream.skipBytes + position;
    const piece = Math.floor(at / this.#pieceBytes);
    if (piece !== this.#piece) {
      this.close();
      this.#open(piece);
    }
    const offset = piece === 0 ? at : at - piece * this.#pieceBytes;
    return { fd: this.#fd, offset, room: this.#pieceBytes - offset };
  }

  #open(piece: number): void {
    const { path, open, pieces } = this.#stream;
    this.#fd = pieces?.open(piece) ?? (open === undefined ? openSync(path, "r") : open());
    this.#piece = piece;
  }
}

/** `target` has `bytes` from `position` on; `piece` belongs at `at`. */
function putOver(target: Uint8Array, bytes: number, position: number, piece: Uint8Array, at: number): void {
  const [from, to] = [Math.max(position, at), Math.min(position + bytes, at + piece.length)];
  if (from < to) target.set(piece.subarray(from - at, to - at), from - position);
}

/** A buffer of a reading that is over, for the next one: one that is new costs its zeros, and its pages in the kernel. */
let spare: Uint8Array | undefined;

/**
 * Yields pieces of `chunkBytes`, the last one shorter, and the first one by `begunBytes`, where it is to be written behind so many of a
 * piece. A piece is valid until the next one is requested.
 */
export function* readStream(stream: RecordedStream, chunkBytes: number, begunBytes = 0): Generator<Uint8Array> {
  const wanted = Math.min(chunkBytes, stream.bytes);
  const whole = spare !== undefined && spare.length >= wanted ? spare : new Uint8Array(wanted);
  if (whole === spare) spare = undefined;
  const buffer = whole.subarray(0, wanted);
  const file = new StreamFile(stream);
  try {
    for (let done = 0; done < stream.bytes;) {
      const count = file.readAt(done === 0 ? buffer.subarray(0, chunkBytes - begunBytes) : buffer, done);
      done += count;
      yield buffer.subarray(0, count);
    }
  } finally {
    file.close();
    if (whole.length <= traceDatLimits.blockBytes && whole.length > (spare?.length ?? 0)) spare = whole;
  }
}

/** The same in pieces that end at multiples of their size in a file that goes on at `position`, a multiple of the sub-buffer size. */
export function readInBlocks(stream: RecordedStream, subBufferBytes: number, position: number): Generator<Uint8Array> {
  const bytes = chunkSize(traceDatLimits.blockBytes, subBufferBytes);
  return readStream(stream, bytes, position % bytes);
}

/** The largest multiple of the sub-buffer size up to `wanted`, but at least one sub-buffer. */
export function chunkSize(wanted: number, subBufferBytes: number): number {
  return Math.max(subBufferBytes, wanted - (wanted % subBufferBytes));
}
