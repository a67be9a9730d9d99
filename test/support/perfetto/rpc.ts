/** The messages of trace_processor's RPC (protos/perfetto/trace_processor/trace_processor.proto), as far as tests need them. */
import { ProtoWriter } from "../../../src/views/perfetto/proto-writer.ts";

export type Row = Record<string, string | number | null>;

const Method = { append: 1, finalize: 2, query: 3, reset: 11 } as const;
let sequence = 0;

function request(method: number, body: (out: ProtoWriter) => void, size: number): Uint8Array {
  const out = new ProtoWriter(size + 64);
  const message = out.begin(1, 4);
  out.uint(1, ++sequence);
  out.uint(2, method);
  body(out);
  out.end(message, 4);
  return out.bytes.slice(0, out.length);
}

export const appendData = (bytes: Uint8Array): Uint8Array =>
  request(Method.append, (out) => out.bytesField(101, bytes), bytes.length);
export const finalize = (): Uint8Array => request(Method.finalize, () => {}, 0);
/** Forgets the trace, for another one. */
export const reset = (): Uint8Array => request(Method.reset, () => {}, 0);
export const query = (sql: string): Uint8Array => {
  const text = Buffer.from(sql);
  return request(
    Method.query,
    (out) => {
      const args = out.begin(103, 4);
      out.bytesField(1, text);
      out.end(args, 4);
    },
    text.length,
  );
};

type Field = { number: number; value: number | bigint; bytes: Uint8Array | undefined };

export function* decodeFields(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const number = key >>> 3;
    switch (key & 7) {
      case 0:
        yield { number, value: varint(), bytes: undefined };
        break;
      case 1:
        yield { number, value: view.getBigUint64(at, true), bytes: bytes.subarray(at, at + 8) };
        at += 8;
        break;
      case 2: {
        const size = Number(varint());
        yield { number, value: size, bytes: bytes.subarray(at, at + size) };
        at += size;
        break;
      }
      default:
        throw new Error(`wire type ${key & 7}`);
    }
  }
}

/** The messages of a reply, which may come in pieces. */
export function splitStream(parts: readonly Uint8Array[]): Uint8Array[] {
  return [...decodeFields(Buffer.concat(parts))].flatMap(({ number, bytes }) =>
    number === 1 && bytes !== undefined ? [bytes] : [],
  );
}

export function decodeQueryResult(messages: readonly Uint8Array[], sql: string): Row[] {
  const columns: string[] = [];
  const cells: (string | number | null)[] = [];
  for (const message of messages) {
    for (const { number, bytes } of decodeFields(message)) {
      if (number === 5 && bytes !== undefined) throw new Error(`trace_processor: ${Buffer.from(bytes).toString()}`);
      if (number !== 203 || bytes === undefined) continue;
      for (const field of decodeFields(bytes)) {
        if (field.bytes === undefined) continue;
        const text = Buffer.from(field.bytes).toString();
        if (field.number === 1) columns.push(text);
        else if (field.number === 2 && text !== "") throw new Error(`${sql}\n${text}`);
        else if (field.number === 3) cells.push(...decodeBatch(field.bytes));
      }
    }
  }
  const rows: Row[] = [];
  for (let at = 0; at < cells.length; at += columns.length) {
    rows.push(Object.fromEntries(columns.map((column, index) => [column, cells[at + index] ?? null])));
  }
  return rows;
}

function* packedVarints(bytes: Uint8Array): Generator<bigint> {
  for (let at = 0; at < bytes.length;) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    yield BigInt.asIntN(64, value);
  }
}

/** Cells by type: each type's values lie in a list of their own. */
function decodeBatch(bytes: Uint8Array): (string | number | null)[] {
  const types: number[] = [];
  const numbers: number[] = [];
  const floats: number[] = [];
  let strings: string[] = [];
  for (const field of decodeFields(bytes)) {
    const data = field.bytes;
    if (field.number === 1 && data !== undefined) types.push(...data);
    else if (field.number === 2 && data !== undefined)
      for (const value of packedVarints(data)) numbers.push(Number(value));
    else if (field.number === 3 && data !== undefined) {
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      for (let at = 0; at + 8 <= data.length; at += 8) floats.push(view.getFloat64(at, true));
    } else if (field.number === 5 && data !== undefined) strings = Buffer.from(data).toString().split("\0");
  }
  let [nextNumber, nextFloat, nextString] = [0, 0, 0];
  return types.map((type) => {
    if (type === 2) return numbers[nextNumber++] ?? null;
    if (type === 3) return floats[nextFloat++] ?? null;
    return type === 4 ? (strings[nextString++] ?? null) : null;
  });
}
