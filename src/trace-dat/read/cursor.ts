/**
 * A cursor that reads a trace.dat's numbers, strings and tables, never beyond its end. It reads ahead: the tables are thousands
 * of short texts.
 */
import { traceDatLimits } from "../limits.ts";
import type { TraceFile } from "./file.ts";

const two32 = 2 ** 32;
/** After each reading ahead the next is so much larger. */
const readGrowth = 8;

export class FileCursor {
  readonly file: TraceFile;
  littleEndian: boolean;
  position: number;
  /** What was read of the file, and where it begins there; all of what is in memory already. */
  #window: Buffer<ArrayBuffer>;
  #windowAt = 0;
  #view: DataView<ArrayBuffer>;
  #readBytes: number = traceDatLimits.firstTableReadBytes;
  #room = new Uint8Array(new ArrayBuffer(0));
  readonly #inMemory: boolean;

  constructor(file: TraceFile & { content?: Uint8Array<ArrayBuffer> }, littleEndian: boolean, position = 0) {
    this.#inMemory = file.content !== undefined;
    this.#window = bufferOf(file.content ?? new Uint8Array(new ArrayBuffer(0)));
    this.#view = viewOf(this.#window);
    this.file = file;
    this.littleEndian = littleEndian;
    this.position = position;
  }

  u8(): number {
    const at = this.#number(1);
    return this.#view.getUint8(at);
  }

  u16(): number {
    const at = this.#number(2);
    return this.#view.getUint16(at, this.littleEndian);
  }

  u32(): number {
    const at = this.#number(4);
    return this.#view.getUint32(at, this.littleEndian);
  }

  /** A length or offset: one that is no exact number is beyond any file. */
  u64(): number {
    const at = this.#number(8);
    const first = this.#view.getUint32(at, this.littleEndian);
    const second = this.#view.getUint32(at + 4, this.littleEndian);
    const value = this.littleEndian ? first + second * two32 : first * two32 + second;
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    throw this.file.damaged(`a length or place of ${this.#view.getBigUint64(at, this.littleEndian)}`);
  }

  /** A u64 that is no length or offset: an id. */
  bigint(): bigint {
    const at = this.#number(8);
    return this.#view.getBigUint64(at, this.littleEndian);
  }

  signed64s(count: number): bigint[] {
    const bytes = this.table(count * 8);
    const view = viewOf(bytes);
    return Array.from({ length: count }, (_, index) => view.getBigInt64(index * 8, this.littleEndian));
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    const { position } = this;
    if (this.#inMemory || count <= this.#readBytes) {
      const at = this.#number(count);
      // Bytes that are already in memory are not copied.
      return this.#inMemory
        ? this.#window.subarray(at, at + count)
        : new Uint8Array(this.#window.subarray(at, at + count));
    }
    this.pass(count);
    return readWhole(this.file, position, count);
  }

  /** Bytes that are kept. `mostBytes`: of the largest table of its kind. */
  table(count: number, mostBytes = Infinity): Uint8Array<ArrayBuffer> {
    this.#spendTable(count, mostBytes);
    return this.bytes(count);
  }

  /** The same, which is read when it is asked for: many recordings have events that need it, as many have not. */
  laterTable(count: number, mostBytes = Infinity): () => Uint8Array<ArrayBuffer> {
    this.#spendTable(count, mostBytes);
    if (this.#inMemory) {
      const bytes = this.bytes(count);
      return () => bytes;
    }
    const { file, position } = this;
    this.pass(count);
    return once(() => readWhole(file, position, count));
  }

  /** latin1: each char one byte. */
  text(count: number, mostBytes = Infinity): string {
    if (count > mostBytes) throw this.file.damaged(`a text of ${count} bytes`);
    this.spend(Math.min(count, this.file.size));
    return latin1(this.bytes(count));
  }

  laterText(count: number, mostBytes = Infinity): () => string {
    if (count > mostBytes) throw this.file.damaged(`a text of ${count} bytes`);
    const bytes = this.laterTable(count);
    return once(() => latin1(bytes()));
  }

  /** Accounts for memory that is about to be taken for data of the file. */
  spend(bytes: number): void {
    const trouble = this.file.budget.take(bytes);
    if (trouble !== undefined) throw this.file.damaged(trouble);
  }

  #spendTable(count: number, mostBytes: number): void {
    if (count > mostBytes) throw this.file.damaged(`a table of ${count} bytes`);
    this.spend(this.#inMemory ? 0 : Math.min(count, this.file.size));
  }

  /** Up to a NUL, which is consumed. */
  string(most: number): string {
    let text = "";
    for (;;) {
      const part = Math.min(64, this.file.size - this.position);
      if (part <= 0) throw this.file.damaged("a string without an end");
      const next = this.peek(part);
      const end = next.indexOf("\0");
      text += end < 0 ? next : next.slice(0, end);
      if (text.length > most) throw this.file.damaged("a string that is too long");
      this.position += end < 0 ? part : end + 1;
      if (end >= 0) return text;
    }
  }

  expect(name: string): void {
    const found = this.string(name.length);
    if (found !== name) throw this.file.damaged(`"${found}" where "${name}" should be`);
  }

  /** Goes on behind so many bytes, which must be there. */
  pass(count: number): void {
    if (count > this.file.size - this.position) throw this.file.damaged("it ends too early");
    this.position += count;
  }

  /** The next bytes, in latin1; the position stays. */
  peek(count: number): string {
    const at = this.#look(count);
    return this.#window.toString("latin1", at, at + count);
  }

  /** Where the next bytes lie in the window. */
  #look(count: number): number {
    const at = this.position - this.#windowAt;
    if (at >= 0 && at + count <= this.#window.length) return at;
    this.#readOn(count);
    return 0;
  }

  #readOn(count: number): void {
    const left = this.file.size - this.position;
    if (count > left || this.#inMemory) throw this.file.damaged("it ends too early");
    const bytes = Math.min(left, Math.max(count, this.#readBytes));
    if (this.#room.length < bytes) this.#room = new Uint8Array(new ArrayBuffer(bytes));
    const got = this.file.readAt(this.#room.subarray(0, bytes), this.position);
    if (got < count) throw this.file.damaged("it ends too early");
    this.#readBytes = Math.min(this.#readBytes * readGrowth, traceDatLimits.tableReadBytes);
    this.#window = bufferOf(this.#room.subarray(0, got));
    this.#windowAt = this.position;
    this.#view = viewOf(this.#window);
  }

  /** Where a number of so many bytes lies in `#view`, which may be another one now. */
  #number(count: number): number {
    const at = this.#look(count);
    this.position += count;
    return at;
  }
}

function readWhole(file: TraceFile, position: number, count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(count));
  if (file.readAt(bytes, position) !== count) throw file.damaged("it ends too early");
  return bytes;
}

function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function bufferOf(bytes: Uint8Array<ArrayBuffer>): Buffer<ArrayBuffer> {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function latin1(bytes: Uint8Array<ArrayBuffer>): string {
  return bufferOf(bytes).toString("latin1");
}

/** Makes it at the first call. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
