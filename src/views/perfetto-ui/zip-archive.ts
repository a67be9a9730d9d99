/**
 * A zip archive that is read entry by entry, in memory, and not trusted. Format: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 (an
 * entry), 4.3.12 (the list of entries) and 4.3.16 (its end). What Perfetto's release needs is read: no zip64, no encryption, one
 * disk, stored or deflated.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { crc32, inflateRawSync } from "node:zlib";
import { AgentError, messageOf } from "../../base/errors.ts";
import { openRegular } from "../../base/open-regular.ts";
import { uiLimits } from "./limits.ts";
import { isPlainPath } from "./plain-path.ts";

const endMagic = 0x06054b50;
const endBytes = 22;
const commentMaxBytes = 0xffff;
const listMagic = 0x02014b50;
const listEntryBytes = 46;
const localMagic = 0x04034b50;
const localBytes = 30;
/** Flags of an entry: encrypted, also with its header; a patch of another file. */
const refusedFlags = 0x0001 | 0x0020 | 0x0040 | 0x2000;
const [stored, deflated] = [0, 8];
/** What a field of 32 bits holds where zip64 has the value. */
const inZip64 = 0xffffffff;

type Entry = { method: number; crc: number; packed: number; bytes: number; at: number };

export class ZipArchive {
  readonly #path: string;
  readonly #fd: number;
  /** By name. Directories are left out. */
  readonly #entries = new Map<string, Entry>();
  /** Where the list of entries begins: no entry reaches into it. */
  readonly #listAt: number;

  /** Throws an AgentError, or the system's error. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openRegular(path);
    try {
      const end = this.#end();
      this.#listAt = end.at;
      this.#readList(end);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  get names(): Iterable<string> {
    return this.#entries.keys();
  }

  /** The file's bytes; undefined where there is none of that name. Throws an AgentError. */
  read(name: string): Uint8Array<ArrayBuffer> | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const head = this.#bytes(entry.at, localBytes);
    if (head.readUInt32LE(0) !== localMagic) throw this.#refuse(`the entry "${name}" is not where the list says`);
    const nameBytes = head.readUInt16LE(26);
    const from = entry.at + localBytes + nameBytes + head.readUInt16LE(28);
    const ownName = this.#bytes(entry.at + localBytes, nameBytes).toString("utf8");
    if (ownName !== name) throw this.#refuse(`the entry "${name}" has another name in its place`);
    if (from + entry.packed > this.#listAt) throw this.#refuse(`the entry "${name}" reaches into the list of entries`);
    const bytes = this.#unpack(name, entry, this.#bytes(from, entry.packed));
    if (bytes.length !== entry.bytes || crc32(bytes) !== entry.crc)
      throw this.#refuse(`the entry "${name}" is damaged: size or checksum are not those of the list`);
    return bytes;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #unpack(name: string, { method, bytes }: Entry, packed: Buffer<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (method === stored) return packed;
    try {
      return inflateRawSync(packed, { maxOutputLength: Math.max(1, bytes) });
    } catch (cause) {
      throw this.#refuse(`the entry "${name}" is damaged: ${messageOf(cause)}`);
    }
  }

  /** The last record that fits: a comment may hold its magic. */
  #end(): { at: number; bytes: number; count: number } {
    const size = fstatSync(this.#fd).size;
    const tailBytes = Math.min(size, endBytes + commentMaxBytes);
    const tail = this.#bytes(size - tailBytes, tailBytes);
    for (let place = tail.length - endBytes; place >= 0; place--) {
      if (tail.readUInt32LE(place) !== endMagic) continue;
      if (place + endBytes + tail.readUInt16LE(place + 20) !== tail.length) continue;
      const [disk, listDisk, here, count] = [4, 6, 8, 10].map((field) => tail.readUInt16LE(place + field));
      const [bytes, at] = [tail.readUInt32LE(place + 12), tail.readUInt32LE(place + 16)];
      if (count === 0xffff || bytes === inZip64 || at === inZip64) throw this.#refuse("it is a zip64 archive");
      if (disk !== 0 || listDisk !== 0 || here !== count) throw this.#refuse("it is one part of several");
      if (count === undefined || count > uiLimits.entriesMax || bytes > uiLimits.directoryBytes)
        throw this.#refuse(`it has more than ${uiLimits.entriesMax} entries`);
      if (at + bytes > size - tailBytes + place) throw this.#refuse("its list of entries is not where it says");
      return { at, bytes, count };
    }
    throw this.#refuse("it is no zip archive, or its end is missing");
  }

  #readList({ at, bytes, count }: { at: number; bytes: number; count: number }): void {
    const list = this.#bytes(at, bytes);
    let place = 0;
    for (let left = count; left > 0; left--) {
      if (place + listEntryBytes > bytes || list.readUInt32LE(place) !== listMagic)
        throw this.#refuse("its list of entries is damaged");
      const nameBytes = list.readUInt16LE(place + 28);
      const next = place + listEntryBytes + nameBytes + list.readUInt16LE(place + 30) + list.readUInt16LE(place + 32);
      if (next > bytes) throw this.#refuse("its list of entries is damaged");
      const name = list.toString("utf8", place + listEntryBytes, place + listEntryBytes + nameBytes);
      this.#add(name, list.readUInt16LE(place + 8), {
        method: list.readUInt16LE(place + 10),
        crc: list.readUInt32LE(place + 16),
        packed: list.readUInt32LE(place + 20),
        bytes: list.readUInt32LE(place + 24),
        at: list.readUInt32LE(place + 42),
      });
      place = next;
    }
    if (place !== bytes) throw this.#refuse("its list of entries is damaged");
  }

  #add(name: string, flags: number, entry: Entry): void {
    const shown = JSON.stringify(name.slice(0, uiLimits.nameChars));
    if (!isPlainPath(name.replace(/\/$/, ""))) throw this.#refuse(`it has an entry of the name ${shown}`);
    if (this.#entries.has(name)) throw this.#refuse(`it has the entry ${shown} twice`);
    if ((flags & refusedFlags) !== 0) throw this.#refuse(`its entry ${shown} is encrypted`);
    if ([entry.packed, entry.bytes, entry.at].includes(inZip64)) throw this.#refuse("it is a zip64 archive");
    if (entry.method !== stored && entry.method !== deflated)
      throw this.#refuse(`its entry ${shown} is packed by method ${entry.method}`);
    if (entry.method === stored && entry.packed !== entry.bytes) throw this.#refuse(`its entry ${shown} is damaged`);
    if (Math.max(entry.packed, entry.bytes) > uiLimits.fileBytes)
      throw this.#refuse(`its entry ${shown} is larger than ${uiLimits.fileBytes} bytes`);
    if (entry.at + localBytes + entry.packed > this.#listAt)
      throw this.#refuse(`its entry ${shown} reaches into the list of entries`);
    if (!name.endsWith("/")) this.#entries.set(name, entry);
  }

  #bytes(at: number, count: number): Buffer<ArrayBuffer> {
    const bytes = Buffer.alloc(count);
    let got = 0;
    for (let read = -1; read !== 0 && got < count; got += read)
      read = readSync(this.#fd, bytes, got, count - got, at + got);
    if (got < count) throw this.#refuse("it ends too early");
    return bytes;
  }

  #refuse(why: string): AgentError {
    return new AgentError("input", `cannot use "${this.#path}": ${why}`, {
      remedy: "give perfetto-ui.zip of a release of Perfetto, or the directory that it unpacks to",
    });
  }
}
