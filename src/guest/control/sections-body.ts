/**
 * The body of `metadata SECTION...` (protocol/metadata.ts), written directly into the frames that carry it: no file
 * is converted to text or held. Not compressed: zlib and zstd cost as much CPU as the kernel's own work for
 * kallsyms, and 1.5 MiB.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { messageOf } from "../../base/errors.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { SectionsHead, SectionsRecord } from "../../protocol/metadata.ts";
import type { Section } from "../../protocol/sections.ts";
import { guestLimits } from "../limits.ts";
import type { BodySource } from "./frames.ts";
import { metadataHead } from "./metadata.ts";
import { sectionSources, type SourceFile } from "./metadata-sources.ts";
import type { ReplyWriter } from "./reply-writer.ts";

/** Resolves when the port has taken everything, or never will. */
export async function sendSections(
  replies: ReplyWriter,
  tracingDirectory: string,
  sections: readonly Section[],
): Promise<void> {
  const body = new SectionsBody(tracingDirectory, sections);
  try {
    await new Promise<void>((resolve) =>
      replies.sendFramed({ reply: "sections", sections: [...sections] }, body, resolve),
    );
  } finally {
    body.close();
  }
}

/** Metadata as in protocol 1. The module is loaded when it is asked for: zlib costs an agent 1.5 MiB and 15 ms. */
export async function sendAll(
  replies: ReplyWriter,
  tracingDirectory: string,
  framed: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { sendPacked } = await import("./packed-metadata.ts");
  await sendPacked(replies, tracingDirectory, framed, signal);
}

/** Digits of a record's length: a frame has no more bytes. */
const lengthDigits = `${protocolLimits.frameBytes}`.length;

export class SectionsBody implements BodySource {
  readonly #files: Iterator<SourceFile, void>;
  #file: { name: string; fd: number } | undefined;
  /** The next line to write. */
  #line: string;
  #atEnd = false;

  constructor(tracingDirectory: string, sections: readonly Section[]) {
    this.#line = lineOf({ ...metadataHead(tracingDirectory), version: 2 });
    this.#files = sectionSources(tracingDirectory, sections);
  }

  get done(): boolean {
    return this.#atEnd && this.#line === "";
  }

  fill(target: Uint8Array<ArrayBuffer>, from: number): number {
    const bytes = Buffer.from(target.buffer, target.byteOffset, target.length);
    let end = from;
    while (!this.done) {
      const next = this.#line === "" ? this.#fillRecord(bytes, end) : this.#fillLine(bytes, end);
      if (next === undefined) break;
      end = next;
    }
    return end;
  }

  /** Closed before its end: nobody wants the rest. */
  close(): void {
    this.#closeFile();
    this.#files.return?.();
  }

  /** The end of the written bytes; undefined if this frame has no room. */
  #fillLine(bytes: Buffer, from: number): number | undefined {
    if (Buffer.byteLength(this.#line) > bytes.length - from) return undefined;
    const end = from + bytes.write(this.#line, from);
    this.#line = "";
    return end;
  }

  /** A piece of the current file, or of the next one. */
  #fillRecord(bytes: Buffer, from: number): number | undefined {
    const file = (this.#file ??= this.#open());
    if (file === undefined) return from;
    const head = `{"file":${JSON.stringify(file.name)},"bytes":`;
    const begin = from + Buffer.byteLength(head) + lengthDigits + 2;
    if (bytes.length - begin < guestLimits.sectionPieceMinBytes) return undefined;
    let end = begin;
    try {
      for (let count = -1; count !== 0 && end < bytes.length; end += count)
        count = readSync(file.fd, bytes, end, bytes.length - end, null);
      if (end < bytes.length) this.#closeFile();
    } catch (error) {
      this.#closeFile();
      this.#miss(file.name, messageOf(error));
    }
    bytes.write(`${head}${`${end - begin}`.padStart(lengthDigits)}}\n`, from);
    return end;
  }

  #open(): { name: string; fd: number } | undefined {
    const next = this.#files.next().value;
    if (next === undefined) {
      this.#line = lineOf({ end: true });
      this.#atEnd = true;
    } else if ("missing" in next) this.#miss(next.name, next.missing);
    else {
      try {
        return { name: next.name, fd: openSync(next.path, "r") };
      } catch (error) {
        this.#miss(next.name, messageOf(error));
      }
    }
    return undefined;
  }

  #miss(name: string, reason: string): void {
    this.#line = lineOf({ missing: name, reason: reason.slice(0, protocolLimits.guestTextChars) });
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }
}

function lineOf(record: SectionsHead | SectionsRecord): string {
  return `${JSON.stringify(record)}\n`;
}
