/** Writes a zip archive of a few files, and what no honest program writes: PKWARE's APPNOTE.TXT 6.3.10. */
import { crc32, deflateRawSync } from "node:zlib";

export type ZipEntry = {
  name: string;
  content: Uint8Array | string;
  /** Stored instead of deflated. */
  stored?: boolean;
  /** What the list of entries says instead of what is true. */
  flags?: number;
  method?: number;
  bytes?: number;
  packed?: number;
  crc?: number;
  at?: number;
  /** The name in the entry's own head. */
  ownName?: string;
};

/** `end`: what is written over the record of the end, by offset in it, as numbers of 16 bits. */
export function zipFile(entries: readonly ZipEntry[], { end = {} }: { end?: Record<number, number> } = {}): Buffer {
  const pieces: Buffer[] = [];
  const list: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const content = Buffer.from(entry.content as Uint8Array);
    const data = entry.stored === true ? content : deflateRawSync(content);
    const own = Buffer.from(entry.ownName ?? entry.name);
    const name = Buffer.from(entry.name);
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(own.length, 26);
    const item = Buffer.alloc(46);
    item.writeUInt32LE(0x02014b50, 0);
    item.writeUInt16LE(entry.flags ?? 0, 8);
    item.writeUInt16LE(entry.method ?? (entry.stored === true ? 0 : 8), 10);
    item.writeUInt32LE(entry.crc ?? crc32(content), 16);
    item.writeUInt32LE(entry.packed ?? data.length, 20);
    item.writeUInt32LE(entry.bytes ?? content.length, 24);
    item.writeUInt16LE(name.length, 28);
    item.writeUInt32LE(entry.at ?? at, 42);
    list.push(item, name);
    pieces.push(head, own, data);
    at += head.length + own.length + data.length;
  }
  const listBytes = list.reduce((sum, piece) => sum + piece.length, 0);
  const last = Buffer.alloc(22);
  last.writeUInt32LE(0x06054b50, 0);
  last.writeUInt16LE(entries.length, 8);
  last.writeUInt16LE(entries.length, 10);
  last.writeUInt32LE(listBytes, 12);
  last.writeUInt32LE(at, 16);
  for (const [offset, value] of Object.entries(end)) last.writeUInt16LE(value, Number(offset));
  return Buffer.concat([...pieces, ...list, last]);
}
