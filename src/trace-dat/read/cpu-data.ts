/** One CPU's sub-buffers in a trace.dat, uncompressed. */
import type { TraceFile } from "./file.ts";
import type { SubBufferReader } from "../trace-source.ts";

export class PlainCpuData implements SubBufferReader {
  readonly cpu: number;
  readonly #file: TraceFile;
  readonly #begin: number;
  readonly #end: number;
  #position: number;

  constructor(file: TraceFile, cpu: number, offset: number, bytes: number) {
    this.#file = file;
    this.cpu = cpu;
    this.#begin = offset;
    this.#position = offset;
    this.#end = offset + bytes;
  }

  get place(): { taken: number; bytes: number } {
    return { taken: this.#position - this.#begin, bytes: this.#end - this.#begin };
  }

  read(target: Uint8Array<ArrayBuffer>): number {
    const want = Math.min(target.length, this.#end - this.#position);
    const got = want <= 0 ? 0 : this.#file.readAt(target.subarray(0, want), this.#position);
    this.#position += got;
    return got;
  }
}
