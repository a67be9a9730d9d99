/** A trace.dat as bytes, and a cursor that reads its numbers, strings and tables; nothing beyond its end is ever read. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { AgentError, messageOf } from "../errors.ts";
import { limits } from "../limits.ts";

export type TraceFile = {
  readonly path: string;
  readonly size: number;
  /** Bytes read into `target`, fewer only at the end. */
  readAt(target: Uint8Array, position: number): number;
  damaged(what: string): AgentError;
  close(): void;
};

/** Throws an AgentError. */
export function openTraceFile(path: string): TraceFile {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new AgentError("io", `cannot open "${path}": ${messageOf(cause)}`, { cause });
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new AgentError("usage", `cannot read "${path}": it is not a file`);
  }
  return {
    path,
    size: stat.size,
    readAt: (target, position) => {
      let got = 0;
      while (got < target.length) {
        const bytes = readSync(fd, target, got, target.length - got, position + got);
        if (bytes === 0) break;
        got += bytes;
      }
      return got;
    },
    damaged: (what) => new AgentError("io", `cannot read "${path}": the file is damaged: ${what}`),
    close: () => closeSync(fd),
  };
}

export function memoryFile(path: string, content: Uint8Array): TraceFile {
  return {
    path,
    size: content.length,
    readAt: (target, position) => {
      const part = content.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
    damaged: (what) => new AgentError("io", `cannot read "${path}": the file is damaged: ${what}`),
    close: () => {},
  };
}

export class FileCursor {
  readonly file: TraceFile;
  littleEndian: boolean;
  position: number;
  readonly #small = new DataView(new ArrayBuffer(8));

  constructor(file: TraceFile, littleEndian: boolean, position = 0) {
    this.file = file;
    this.littleEndian = littleEndian;
    this.position = position;
  }

  u8(): number {
    return this.#number(1).getUint8(0);
  }

  u16(): number {
    return this.#number(2).getUint16(0, this.littleEndian);
  }

  u32(): number {
    return this.#number(4).getUint32(0, this.littleEndian);
  }

  /** A length or a place: one that is no exact number is beyond any file. */
  u64(): number {
    const value = this.#number(8).getBigUint64(0, this.littleEndian);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.file.damaged(`a length or place of ${value}`);
    return Number(value);
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    if (count > this.file.size - this.position) throw this.file.damaged("it ends too early");
    const bytes = new Uint8Array(new ArrayBuffer(count));
    if (this.file.readAt(bytes, this.position) !== count) throw this.file.damaged("it ends too early");
    this.position += count;
    return bytes;
  }

  table(count: number): Uint8Array<ArrayBuffer> {
    if (count > limits.recordingTableBytes) throw this.file.damaged(`a table of ${count} bytes`);
    return this.bytes(count);
  }

  /** latin1: each char one byte. */
  text(count: number): string {
    return Buffer.from(this.table(count).buffer).toString("latin1");
  }

  /** Up to a NUL, which is passed over. */
  string(most: number): string {
    let text = "";
    for (;;) {
      const part = Math.min(64, this.file.size - this.position);
      if (part <= 0) throw this.file.damaged("a string without an end");
      const bytes = new Uint8Array(part);
      this.file.readAt(bytes, this.position);
      const end = bytes.indexOf(0);
      text += Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
      if (text.length > most) throw this.file.damaged("a string that is too long");
      this.position += end < 0 ? part : end + 1;
      if (end >= 0) return text;
    }
  }

  expect(name: string): void {
    const found = this.string(name.length);
    if (found !== name) throw this.file.damaged(`"${found}" where "${name}" should be`);
  }

  #number(count: number): DataView {
    if (this.file.readAt(new Uint8Array(this.#small.buffer, 0, count), this.position) !== count) throw this.file.damaged("it ends too early");
    this.position += count;
    return this.#small;
  }
}
