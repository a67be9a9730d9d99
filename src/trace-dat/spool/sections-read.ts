/**
 * Bodies of `metadata SECTION...` (protocol/metadata.ts), one or several behind each other, as a guest sent them or a file has
 * them: nothing of it is trusted. Throws a SyntaxError.
 */
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { foreignAscii } from "../../base/foreign-text.ts";
import { MetadataFiles } from "../../events/metadata-files.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";

const newline = 0x0a;
/** A line is an object of a few short fields. */
const lineBounds = { depthMax: 2, valuesMax: 16 };
/** The longest: a name and a reason, escaped. */
const lineBytesMax = 4096;

/** `isWanted`: by its name, whether a file is told; others are passed over. `mayChange`: nobody needs `bytes` any more. */
export function readSections(
  bytes: Uint8Array,
  isWanted: (file: string) => boolean = () => true,
  mayChange = false,
): Metadata {
  return new SectionsReader(bytes, isWanted, mayChange).read();
}

/** Names are keys, never paths; one that is none of the kernel's is of no use to anybody. */
export function isFileName(name: string): boolean {
  if (name.length > protocolLimits.guestTextChars) return false;
  const parts = name.split("/");
  return parts.length <= 4 && parts.every((part) => /^[\w.-]+$/.test(part) && part !== "." && part !== "..");
}

/** `isTogether`: no other file's part lies between its own. */
type FileParts = { parts: Buffer[]; bytes: number; isTogether: boolean };

class SectionsReader {
  readonly #bytes: Buffer;
  #at = 0;
  #uname = "unknown";
  #cpus = 0;
  readonly #files = new Map<string, FileParts>();
  /** Of which the latest record was a part. */
  #latest: FileParts | undefined;
  readonly #missing = new Map<string, string>();
  /** Files of the body at hand: a second record of one of these is more of it. */
  readonly #ofBody = new Set<string>();

  readonly #isWanted: (file: string) => boolean;
  readonly #mayChange: boolean;

  constructor(bytes: Uint8Array, isWanted: (file: string) => boolean, mayChange: boolean) {
    this.#isWanted = isWanted;
    this.#mayChange = mayChange;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  read(): Metadata {
    while (this.#at < this.#bytes.length) this.#readBody();
    const files = new MetadataFiles();
    for (const [name, file] of this.#files) {
      if (this.#isWanted(name))
        files.put(name, this.#mayChange && file.isTogether ? pushedTogether(file) : whole(file));
    }
    return files.metadata({ uname: this.#uname, cpus: this.#cpus, missing: Object.fromEntries(this.#missing) });
  }

  #readBody(): void {
    this.#readHead(this.#line());
    this.#ofBody.clear();
    for (;;) {
      const { file, bytes, missing, reason, end } = this.#line();
      if (end === true) return;
      if (typeof file === "string" && typeof bytes === "number") this.#readPart(file, bytes);
      else if (typeof missing === "string" && typeof reason === "string") this.#miss(missing, reason);
      // Another kind of record may come with a newer agent; it has no bytes.
    }
  }

  #readHead({ version, uname, cpus }: Record<string, unknown>): void {
    if (version !== 2) throw new SyntaxError("not sections of version 2");
    if (typeof cpus !== "number" || !Number.isSafeInteger(cpus) || cpus < 1 || cpus > tracefsLimits.cpusMax)
      throw new SyntaxError("no sound number of CPUs");
    this.#cpus = Math.max(this.#cpus, cpus);
    if (typeof uname === "string") this.#uname = foreignAscii(uname, protocolLimits.guestTextChars);
  }

  #readPart(name: string, bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > this.#bytes.length - this.#at)
      throw new SyntaxError("a file is cut short");
    const part = this.#bytes.subarray(this.#at, this.#at + bytes);
    this.#at += bytes;
    if (!isFileName(name)) return;
    let file = this.#files.get(name);
    if (file === undefined || !this.#ofBody.has(name)) {
      if (this.#files.size >= protocolLimits.metadataFiles)
        throw new SyntaxError(`more than ${protocolLimits.metadataFiles} files`);
      this.#files.set(name, (file = { parts: [], bytes: 0, isTogether: true }));
      this.#ofBody.add(name);
      this.#missing.delete(name);
    }
    if (file.parts.length > 0 && this.#latest !== file) file.isTogether = false;
    this.#latest = file;
    // Empty pieces end a file whose size is a multiple of a frame's; a hostile guest's are not kept.
    if (bytes > 0) file.parts.push(part);
    file.bytes += bytes;
    const most = name === "kallsyms" ? protocolLimits.metadataBytes : protocolLimits.metadataFileBytes;
    if (file.parts.length > most / minimalPartBytes || file.bytes > most)
      throw new SyntaxError(`file ${name} is larger than ${most} bytes, or in too many pieces`);
  }

  /** What came of the file in this body is void; what an earlier one had of it stays. */
  #miss(name: string, reason: string): void {
    if (!isFileName(name) || this.#missing.size >= protocolLimits.metadataFiles) return;
    if (this.#ofBody.has(name)) this.#files.delete(name);
    if (!this.#files.has(name)) this.#missing.set(name, foreignAscii(reason, protocolLimits.guestTextChars));
  }

  #line(): Record<string, unknown> {
    const end = this.#bytes.indexOf(newline, this.#at);
    if (end < 0 || end - this.#at > lineBytesMax) throw new SyntaxError("a line has no end");
    const value = parseBoundedJson(this.#bytes.toString("utf8", this.#at, end), lineBounds);
    this.#at = end + 1;
    if (typeof value !== "object" || value === null) throw new SyntaxError("a line is no object");
    return { ...value };
  }
}

/** Pieces of a file are as large as the frames that carry them, but for the first and the last. */
const minimalPartBytes = 256;

function whole({ parts }: FileParts): Buffer {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

/** The same over the lines between its parts: symbols are 5 MB and more, and new memory for them costs more than the move. */
function pushedTogether({ parts, bytes }: FileParts): Buffer {
  const [first, ...others] = parts;
  if (first === undefined) return Buffer.alloc(0);
  const file = Buffer.from(first.buffer, first.byteOffset, bytes);
  let end = first.length;
  for (const part of others) {
    file.set(part, end);
    end += part.length;
  }
  return file;
}
