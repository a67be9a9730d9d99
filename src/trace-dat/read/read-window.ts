/**
 * Reads small pieces of a file that mostly lie one behind the other: a part of it is held, so that not each of them is a system call.
 * A file of 3 MB may have 130,000 chunks.
 */
import type { TraceFile } from "./file.ts";

/** Where several CPUs are read in turn each read may miss the window: that costs little more than the small read would. */
const windowBytes = 4096;

export class ReadWindow {
  readonly #file: TraceFile;
  readonly #bytes = new Uint8Array(windowBytes);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #littleEndian: boolean;
  #begin = 0;
  #end = 0;

  constructor(file: TraceFile, littleEndian: boolean) {
    this.#file = file;
    this.#littleEndian = littleEndian;
  }

  /** Undefined at the end of the file. */
  u32(position: number): number | undefined {
    return this.#holds(position, 4) ? this.#view.getUint32(position - this.#begin, this.#littleEndian) : undefined;
  }

  /** The bytes, fewer only at the end of the file; they are the caller's. */
  bytes(position: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#holds(position, length))
      return this.#bytes.slice(position - this.#begin, position - this.#begin + length);
    const large = new Uint8Array(new ArrayBuffer(length));
    return large.subarray(0, this.#file.readAt(large, position));
  }

  #holds(position: number, length: number): boolean {
    if (length > windowBytes / 2) return false;
    if (position < this.#begin || position + length > this.#end) {
      this.#begin = position;
      this.#end = position + this.#file.readAt(this.#bytes, position);
    }
    return position + length <= this.#end;
  }
}
