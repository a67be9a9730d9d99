/** One CPU's sub-buffers in a trace.dat: plain, or in chunks that are compressed each for itself. */
import type { TraceFile } from "./trace-dat-file.ts";
import type { SubBufferReader } from "./trace-source.ts";

export class PlainCpuData implements SubBufferReader {
  readonly cpu: number;
  readonly #file: TraceFile;
  readonly #end: number;
  #position: number;

  constructor(file: TraceFile, cpu: number, offset: number, bytes: number) {
    this.#file = file;
    this.cpu = cpu;
    this.#position = offset;
    this.#end = offset + bytes;
  }

  read(target: Uint8Array<ArrayBuffer>): number {
    const want = Math.min(target.length, this.#end - this.#position);
    const got = want <= 0 ? 0 : this.#file.readAt(target.subarray(0, want), this.#position);
    this.#position += got;
    return got;
  }
}

export type Unpack = (packed: Uint8Array<ArrayBuffer>, bytes: number) => Uint8Array;

/** u32 chunks, each { u32 packed bytes, u32 unpacked bytes, data }. */
export class PackedCpuData implements SubBufferReader {
  readonly cpu: number;
  readonly #file: TraceFile;
  readonly #littleEndian: boolean;
  readonly #unpack: Unpack;
  readonly #mostBytes: number;
  #position: number;
  #chunksLeft = -1;
  #unpacked = new Uint8Array(0);
  #taken = 0;

  constructor(file: TraceFile, cpu: number, offset: number, options: { littleEndian: boolean; unpack: Unpack; mostBytes: number }) {
    this.#file = file;
    this.cpu = cpu;
    this.#position = offset;
    this.#littleEndian = options.littleEndian;
    this.#unpack = options.unpack;
    this.#mostBytes = options.mostBytes;
  }

  read(target: Uint8Array<ArrayBuffer>): number {
    let got = 0;
    while (got < target.length) {
      if (this.#taken === this.#unpacked.length && !this.#nextChunk()) break;
      const part = this.#unpacked.subarray(this.#taken, this.#taken + target.length - got);
      target.set(part, got);
      got += part.length;
      this.#taken += part.length;
    }
    return got;
  }

  #nextChunk(): boolean {
    if (this.#chunksLeft < 0) this.#chunksLeft = this.#u32();
    if (this.#chunksLeft === 0) return false;
    this.#chunksLeft--;
    const packed = this.#u32();
    const bytes = this.#u32();
    if (packed > this.#mostBytes || bytes > this.#mostBytes) throw this.#file.damaged(`a chunk of ${Math.max(packed, bytes)} bytes`);
    const data = new Uint8Array(new ArrayBuffer(packed));
    if (this.#file.readAt(data, this.#position) !== packed) throw this.#file.damaged("a chunk beyond the end");
    this.#position += packed;
    this.#unpacked = Uint8Array.from(this.#unpack(data, bytes));
    this.#taken = 0;
    return this.#unpacked.length > 0 || this.#nextChunk();
  }

  #u32(): number {
    const bytes = new Uint8Array(4);
    if (this.#file.readAt(bytes, this.#position) !== 4) throw this.#file.damaged("chunks beyond the end");
    this.#position += 4;
    return new DataView(bytes.buffer).getUint32(0, this.#littleEndian);
  }
}
