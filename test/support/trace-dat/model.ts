/**
 * A trace.dat as plain values, for making fixtures: parse.ts takes one apart, compose.ts puts one together. Both are apart from
 * the code under test, follow trace-cmd.dat.v6(5) and v7(5), and trust their input.
 */

export type Compression = "none" | "zlib" | "zstd";

export type CpuData = { cpu: number; data: Buffer };

export type TraceBuffer = {
  /** "" for the top-level buffer. */
  name: string;
  /** Version 7 only. */
  clock: string;
  cpus: CpuData[];
};

export type Option = { id: number; data: Buffer };

export type TraceDat = {
  version: 6 | 7;
  compression: Compression;
  bigEndian: boolean;
  longBytes: 4 | 8;
  /** Also the size of a sub-buffer. */
  pageSize: number;
  headerPage: string;
  headerEvent: string;
  ftrace: string[];
  systems: { name: string; formats: string[] }[];
  kallsyms: string;
  printk: string;
  commands: string;
  cpuCount: number;
  /** Without those that say where something lies. */
  options: Option[];
  /** Version 6 with option TRACECLOCK: the text behind the table of CPUs. */
  clockText: string | undefined;
  /** Buffers without a place in the file, which `trace-cmd split` makes. */
  emptyBuffers: string[];
  /** The top-level buffer first. */
  buffers: TraceBuffer[];
};

export const optionId = { buffer: 3, traceClock: 4, cpuCount: 8, firstSection: 16, lastSection: 21 } as const;

/** Reads and writes numbers in a file's byte order. */
export class Order {
  readonly bigEndian: boolean;

  constructor(bigEndian: boolean) {
    this.bigEndian = bigEndian;
  }

  read(bytes: Uint8Array, at: number, size: number): bigint {
    let value = 0n;
    for (let index = 0; index < size; index++) {
      const place = this.bigEndian ? index : size - 1 - index;
      value = (value << 8n) | BigInt(bytes[at + place] ?? 0);
    }
    return value;
  }

  number(bytes: Uint8Array, at: number, size: number): number {
    return Number(this.read(bytes, at, size));
  }

  bytes(value: number | bigint, size: number): Buffer {
    const bytes = Buffer.alloc(size);
    for (let index = 0; index < size; index++) {
      bytes[this.bigEndian ? size - 1 - index : index] = Number((BigInt(value) >> BigInt(index * 8)) & 0xffn);
    }
    return bytes;
  }
}
