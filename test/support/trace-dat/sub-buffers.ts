/** Sub-buffers piece by piece, in either byte order, slow and simple: layout as src/ring-buffer/sub-buffer.ts tells. */
import { Order, type TraceDat } from "./model.ts";

export type Piece = {
  kind: "event" | "padding" | "extend" | "stamp";
  /** Where its first word lies in the sub-buffer, and where the next piece begins. */
  at: number;
  end: number;
  typeLength: number;
  delta: bigint;
  /** Of the event's data. */
  dataAt: number;
  dataBytes: number;
  /** Of the event, in the clock's unit. */
  time: bigint;
};

export type SubBuffer = {
  bytes: Buffer;
  order: Order;
  headerBytes: number;
  commitBytes: number;
  commit: bigint;
  dataBytes: number;
  /** -1: some, not counted. */
  lost: bigint;
  pieces: Piece[];
};

const missed = 1n << 31n;
const counted = 1n << 30n;

/** header_page tells the size of the kernel's long, as `commit` has it. */
export function commitBytesOf(dat: TraceDat): number {
  return Number(/commit;\s*offset:8;\s*size:(\d)/.exec(dat.headerPage)?.[1] ?? dat.longBytes);
}

export function subBuffersOf(dat: TraceDat, data: Buffer): SubBuffer[] {
  const order = new Order(dat.bigEndian);
  return Array.from({ length: Math.floor(data.length / dat.pageSize) }, (_, index) =>
    subBufferOf(data.subarray(index * dat.pageSize, (index + 1) * dat.pageSize), order, commitBytesOf(dat)),
  );
}

function subBufferOf(bytes: Buffer, order: Order, commitBytes: number): SubBuffer {
  const headerBytes = 8 + commitBytes;
  const commit = order.read(bytes, 8, commitBytes);
  const dataBytes = Number(commit & 0x7ff_ffffn);
  const end = headerBytes + dataBytes;
  const lost = (commit & missed) === 0n ? 0n : (commit & counted) === 0n ? -1n : order.read(bytes, end, commitBytes);
  const pieces: Piece[] = [];
  let time = order.read(bytes, 0, 8);
  for (let at = headerBytes; at + 4 <= end;) {
    const piece = pieceAt(bytes, order, at, end, time);
    time = piece.time;
    pieces.push(piece);
    at = piece.end;
  }
  return { bytes, order, headerBytes, commitBytes, commit, dataBytes, lost, pieces };
}

function pieceAt(bytes: Buffer, order: Order, at: number, end: number, before: bigint): Piece {
  const word = order.number(bytes, at, 4);
  const typeLength = order.bigEndian ? word >>> 27 : word & 31;
  const delta = BigInt(order.bigEndian ? word & 0x7ff_ffff : word >>> 5);
  const argument = order.number(bytes, at + 4, 4);
  const piece = { at, typeLength, delta, dataAt: at + 8, dataBytes: 0, time: before + delta };
  if (typeLength === 0) {
    const dataBytes = argument - 4;
    return { ...piece, kind: "event", end: at + 8 + ((dataBytes + 3) & ~3), dataBytes };
  }
  if (typeLength <= 28) {
    return { ...piece, kind: "event", end: at + 4 + 4 * typeLength, dataAt: at + 4, dataBytes: 4 * typeLength };
  }
  if (typeLength === 29) return { ...piece, kind: "padding", end: delta === 0n ? end : at + 4 + argument };
  if (typeLength === 30) {
    return { ...piece, kind: "extend", end: at + 8, time: before + (BigInt(argument) << 27n) + delta };
  }
  const stamp = (before & (31n << 59n)) | (BigInt(argument) << 27n) | delta;
  return { ...piece, kind: "stamp", end: at + 8, time: stamp };
}

/** The word that heads a piece. */
export function pieceWord(order: Order, typeLength: number, delta: bigint): Buffer {
  const type = BigInt(typeLength);
  return order.bytes(order.bigEndian ? (type << 27n) | delta : (delta << 5n) | type, 4);
}

/** A sub-buffer with the first pieces only, zero behind them; what was lost before it stays told. */
export function shortened(sub: SubBuffer, pieces: number): Buffer {
  const { order, commitBytes } = sub;
  const end = pieces === 0 ? sub.headerBytes : sub.pieces[pieces - 1]!.end;
  const bytes = Buffer.alloc(sub.bytes.length);
  sub.bytes.copy(bytes, 0, 0, end);
  const flags = sub.commit & ~0x7ff_ffffn;
  bytes.set(order.bytes(flags | BigInt(end - sub.headerBytes), commitBytes), 8);
  if (sub.lost > 0n) bytes.set(order.bytes(sub.lost, commitBytes), end);
  return bytes;
}
