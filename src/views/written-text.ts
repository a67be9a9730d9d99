/** A text that was made as a whole, on its way through a writer of bytes. */
import type { ByteWriter } from "../base/byte-writer.ts";

/** Bytes that the writer has room for between two of its endLine() calls. */
const linePart = 1024;

/** The writer takes chars for bytes, and a line at a time. */
export function writeText(out: ByteWriter, text: string): void {
  for (const line of text.split(/(?<=\n)/)) {
    const bytes = Buffer.from(line).toString("latin1");
    for (let at = 0; at < bytes.length; at += linePart, out.endLine()) out.text(bytes.slice(at, at + linePart));
  }
}
