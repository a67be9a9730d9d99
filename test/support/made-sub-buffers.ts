/** Sub-buffers as the kernel writes them (4 KiB, 64 bit, little-endian) around made-up events, and a source of them. */
import type { TraceMetadata } from "../../src/events/trace-metadata.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";

export const madeLayout = layoutOf(4096, 8);
const headBytes = 16;
const lostFlag = 0x8000_0000;
/** A length of 30 says: no event, but more of the time that has passed (kernel/trace/ring_buffer.c). */
const timeExtend = 30;
const deltaLimit = 2 ** 27;
const extendBytes = 8;

/** `time`: ns, whole numbers. `lost`: events were lost before it, so that it begins a sub-buffer. */
export type MadeRecord = { time: number; data: Uint8Array; lost?: boolean };

/** One CPU's stream. `records` in order of time; times count from `epoch`. */
export function madeStream(records: readonly MadeRecord[], epoch: bigint): Uint8Array<ArrayBuffer> {
  const pages: Buffer<ArrayBuffer>[] = [];
  let page = Buffer.alloc(0);
  let at = madeLayout.sizeBytes;
  let last = 0;
  for (const { time, data, lost = false } of records) {
    if (lost || at + extendBytes + 4 + data.length > madeLayout.sizeBytes) {
      page = Buffer.alloc(madeLayout.sizeBytes);
      pages.push(page);
      page.writeBigUInt64LE(epoch + BigInt(time), 0);
      at = headBytes;
      last = time;
    }
    let delta = time - last;
    if (delta >= deltaLimit) {
      page.writeUInt32LE((timeExtend | ((delta % deltaLimit) << 5)) >>> 0, at);
      page.writeUInt32LE(Math.floor(delta / deltaLimit), at + 4);
      at += extendBytes;
      delta = 0;
    }
    page.writeUInt32LE(((data.length / 4) | (delta << 5)) >>> 0, at);
    page.set(data, at + 4);
    at += 4 + data.length;
    last = time;
    const flag = lost ? lostFlag : page.readUInt32LE(8) & lostFlag;
    page.writeUInt32LE((flag | (at - headBytes)) >>> 0, 8);
  }
  const bytes = new Uint8Array(pages.length * madeLayout.sizeBytes);
  for (const [index, each] of pages.entries()) bytes.set(each, index * madeLayout.sizeBytes);
  return bytes;
}

/** `streams`: one of each CPU. */
export function madeSource(metadata: TraceMetadata, streams: readonly Uint8Array[]): TraceSource {
  return {
    metadata: { ...metadata, cpus: streams.length, layout: madeLayout },
    cpus: streams.map((_, cpu) => cpu),
    open: () =>
      streams.map((bytes, cpu) => {
        let position = 0;
        return {
          cpu,
          read: (target) => {
            const part = bytes.subarray(position, position + target.length - (target.length % madeLayout.sizeBytes));
            target.set(part);
            position += part.length;
            return part.length;
          },
        };
      }),
    close: () => {},
  };
}
