/** One CPU's sub-buffers in a trace.dat, in chunks that are compressed separately. */
import type { AgentError } from "../../base/errors.ts";
import { chunkCountBytes } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import type { TraceFile } from "./file.ts";
import type { ReadWindow } from "./read-window.ts";
import type { SubBufferReader } from "../trace-source.ts";

export type Unpack = (packed: Uint8Array<ArrayBuffer>, bytes: number) => Uint8Array<ArrayBuffer>;

/**
 * The unpacked chunks of all CPUs. If they would be too many, the least recently used one is dropped; it is unpacked
 * again when needed.
 */
export class KeptChunks {
  /** In the order of their last use. */
  readonly #readers = new Map<PackedCpuData, number>();
  #bytes = 0;
  #sinceCollected = 0;

  used(reader: PackedCpuData, bytes: number): void {
    this.remove(reader);
    for (const other of this.#readers.keys()) {
      if (this.#bytes + bytes <= traceDatLimits.chunksKeptBytes) break;
      other.giveUp();
      this.remove(other);
    }
    this.#readers.set(reader, bytes);
    this.#bytes += bytes;
  }

  /** The collector runs late for memory outside its heap, which chunks fill by the gigabyte. */
  unpacked(bytes: number): void {
    this.#sinceCollected += bytes;
    if (this.#sinceCollected < traceDatLimits.collectAfterBytes) return;
    this.#sinceCollected = 0;
    Bun.gc(true);
  }

  remove(reader: PackedCpuData): void {
    this.#bytes -= this.#readers.get(reader) ?? 0;
    this.#readers.delete(reader);
  }
}

const nothing = new Uint8Array(new ArrayBuffer(0));

type Packing = {
  window: ReadWindow;
  unpack: Unpack;
  /** Size of the largest valid chunk. */
  chunkBytes: number;
  kept: KeptChunks;
};

/** u32 chunks, each { u32 packed bytes, u32 unpacked bytes, data }. */
export class PackedCpuData implements SubBufferReader {
  readonly cpu: number;
  readonly #file: TraceFile;
  readonly #packing: Packing;
  readonly #begin: number;
  readonly #end: number;
  #position: number;
  #chunksLeft = -1;
  /** Offset of the current chunk in the file, and how much of it was taken. */
  #chunkAt = 0;
  #chunkBytes = 0;
  #taken = 0;
  #unpacked: Uint8Array<ArrayBuffer> | undefined;

  constructor(file: TraceFile, cpu: number, offset: number, bytes: number, packing: Packing) {
    this.#file = file;
    this.cpu = cpu;
    this.#begin = offset;
    this.#position = offset;
    // trace-cmd's size does not include the number of chunks.
    this.#end = offset + bytes + chunkCountBytes;
    this.#packing = packing;
  }

  get place(): { taken: number; bytes: number } {
    return { taken: this.#position - this.#begin, bytes: this.#end - this.#begin };
  }

  read(target: Uint8Array<ArrayBuffer>): number {
    let got = 0;
    while (got < target.length) {
      if (this.#taken === this.#chunkBytes && !this.#nextChunk()) break;
      const part = this.#chunk().subarray(this.#taken, this.#taken + target.length - got);
      target.set(part, got);
      got += part.length;
      this.#taken += part.length;
    }
    return got;
  }

  /** Frees the chunk's memory; it is read again when needed. */
  giveUp(): void {
    this.#unpacked = undefined;
  }

  #nextChunk(): boolean {
    this.#packing.kept.remove(this);
    do {
      this.giveUp();
      if (this.#chunksLeft < 0) this.#chunksLeft = this.#u32();
      if (this.#chunksLeft === 0) return false;
      this.#chunksLeft--;
      this.#chunkAt = this.#position;
      this.#taken = 0;
      this.#chunkBytes = this.#chunk().length;
    } while (this.#chunkBytes === 0);
    return true;
  }

  #chunk(): Uint8Array<ArrayBuffer> {
    this.#unpacked ??= this.#readChunk();
    this.#packing.kept.used(this, this.#unpacked.length);
    return this.#unpacked;
  }

  #readChunk(): Uint8Array<ArrayBuffer> {
    this.#position = this.#chunkAt;
    const packed = this.#u32();
    const bytes = this.#u32();
    if (packed > this.#packing.chunkBytes || bytes > this.#packing.chunkBytes)
      throw this.#file.damaged(`a chunk of ${Math.max(packed, bytes)} bytes`);
    const data = this.#packing.window.bytes(this.#take(packed), packed);
    if (data.length < packed) throw this.#beyond();
    if (bytes === 0) return nothing;
    this.#packing.kept.unpacked(bytes);
    return this.#packing.unpack(data, bytes);
  }

  #u32(): number {
    const value = this.#packing.window.u32(this.#take(4));
    if (value === undefined) throw this.#beyond();
    return value;
  }

  /** Where the next so many bytes are. */
  #take(bytes: number): number {
    const position = this.#position;
    if (position + bytes > this.#end) throw this.#beyond();
    this.#position += bytes;
    return position;
  }

  #beyond(): AgentError {
    return this.#file.damaged(`the chunks of CPU ${this.cpu} go beyond their end`);
  }
}
