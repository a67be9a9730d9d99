/**
 * Bytes -> the inside of a JSON string. UTF-8 is kept; an invalid byte is taken for latin1 and escaped. Control
 * characters are escaped, including those of C1, which steer terminals.
 */
import type { ByteWriter } from "../base/byte-writer.ts";

const [quote, backslash, del] = [0x22, 0x5c, 0x7f];

/** `size` bytes, up to a NUL. */
export function writeJsonText(out: ByteWriter, bytes: Uint8Array, offset: number, size: number): void {
  const end = offset + size;
  for (let at = offset; at < end;) {
    const value = bytes[at] ?? 0;
    if (value === 0) return;
    if (value >= 0x20 && value < del && value !== quote && value !== backslash) {
      out.byte(value);
      at++;
      continue;
    }
    const length = value < 0x80 ? 1 : sequenceLength(bytes, at, end);
    if (length < 2) {
      writeEscape(out, value);
      at++;
    } else if (value === 0xc2 && (bytes[at + 1] ?? 0) < 0xa0) {
      writeEscape(out, bytes[at + 1] ?? 0);
      at += 2;
    } else for (const last = at + length; at < last; at++) out.byte(bytes[at] ?? 0);
  }
}

function writeEscape(out: ByteWriter, code: number): void {
  out.byte(backslash);
  out.byte(0x75);
  out.byte(0x30);
  out.byte(0x30);
  out.hexByte(code);
}

/**
 * Bytes of the UTF-8 sequence that begins with a byte from 0x80 on; 0 where none does (Unicode, table 3-7: neither overlong
 * forms nor halves of surrogate pairs nor code points above U+10FFFF).
 */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > end) return 0;
  const second = bytes[at + 1] ?? 0;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let next = at + 2; next < at + length; next++) if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}
