/** Sub-buffers whose events bear numbers, so that a test sees whether one is lost or there twice; and what a recording holds of them. */
import { SubBufferCursor } from "../../src/ring-buffer/sub-buffer.ts";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { inQuickForm } from "./quick.ts";
import { subBufferBytes } from "./sub-buffers.ts";

/** Of a sub-buffer; with fewer of them the same bytes are read sooner. */
export const numberedEvents = inQuickForm(30, 300);
/** Between two events: a sub-buffer's last 30 us. */
export const numberedNs = 30_000 / numberedEvents;

/** As the kernel lays it out (4 KiB, 64 bit): events of 8 bytes, the CPU and a number. */
export function numberedSubBuffer(time: bigint, cpu: number, first: number): Buffer {
  const words = new Uint32Array(new ArrayBuffer(subBufferBytes));
  const bytes = Buffer.from(words.buffer);
  bytes.writeBigUInt64LE(time, 0);
  words[2] = numberedEvents * 12;
  for (let event = 0, at = 4; event < numberedEvents; event++) {
    words[at++] = 2 | (numberedNs << 5);
    words[at++] = cpu;
    words[at++] = first + event;
  }
  return bytes;
}

export type Numbers = { events: number; first: number; last: number; faults: string[] };

/** By CPU: the numbers that a source holds, which follow each other where nothing is lost or doubled. */
export function numbersIn(source: TraceSource): Map<number, Numbers> {
  const { layout } = source.metadata;
  const found = new Map<number, Numbers>();
  const cursor = new SubBufferCursor(layout);
  const piece = new Uint8Array(new ArrayBuffer(256 * 1024));
  const view = new DataView(piece.buffer);
  for (const reader of source.open()) {
    const numbers: Numbers = { events: 0, first: -1, last: -1, faults: [] };
    for (let got = reader.read(piece); got > 0; got = reader.read(piece))
      for (let at = 0; at + layout.sizeBytes <= got; at += layout.sizeBytes) {
        cursor.reset(view, at);
        while (cursor.next()) note(numbers, reader.cpu, view, cursor.dataOffset);
      }
    if (numbers.events > 0) found.set(reader.cpu, numbers);
  }
  return found;
}

function note(numbers: Numbers, cpu: number, view: DataView, at: number): void {
  const [ofCpu, number] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
  if (ofCpu !== cpu) numbers.faults.push(`an event of CPU ${ofCpu} in CPU ${cpu}`);
  if (numbers.events === 0) numbers.first = number;
  else if (number !== numbers.last + 1) numbers.faults.push(`CPU ${cpu}: ${number} after ${numbers.last}`);
  numbers.last = number;
  numbers.events++;
}
