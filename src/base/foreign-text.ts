/**
 * Foreign text, of a guest, a file, another program or user, on its way to a person. Whatever it holds, it must not
 * steer a terminal, forge a line of ours, or appear in another order than it was written.
 *
 * Replaced by "?": control characters (C0, DEL, C1: U+009B is CSI also when it comes as UTF-8), line and paragraph
 * separators, format characters (bidi controls, zero-width ones, tags) and halves of surrogate pairs.
 */

const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2065\u{e0000}-\u{e0fff}]/gu;
/** The same without newline and tab, which structure text of several lines. */
const unsafeInLines = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2065\u{e0000}-\u{e0fff}]/gu;
const [tab, newline, space, del] = [0x09, 0x0a, 0x20, 0x7f];

/**
 * For use within a line: a name, a word, a sentence. Kernel texts are stored with one char per byte (latin1); those
 * that are UTF-8 become the letters that they mean. The result is a Unicode string: write it as UTF-8, never as
 * latin1.
 */
export function foreignText(text: string, charsMax = Infinity): string {
  const part = text.length > charsMax ? text.slice(0, charsMax) : text;
  return decoded(part).replace(unsafe, "?");
}

/** The same in ASCII, for output as bytes. */
export function foreignAscii(text: string, charsMax = Infinity): string {
  return text.slice(0, Math.min(text.length, charsMax)).replace(/[^\x20-\x7e]/g, "?");
}

/** Text of several lines. Lines after the first are indented, so that they cannot look like ours. */
export function foreignLines(text: string): string {
  return text.replace(unsafeInLines, "?").replaceAll("\n", "\n  ");
}

/** Whole lines as bytes, for a terminal: UTF-8, where an invalid byte shows as U+FFFD. */
export function foreignBytes(bytes: Uint8Array): Uint8Array {
  if (isPlain(bytes)) return bytes;
  return Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString().replace(unsafeInLines, "?"));
}

function isPlain(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if ((byte < space && byte !== newline && byte !== tab) || byte >= del) return false;
  }
  return true;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Chars that are bytes of UTF-8 -> the letters; any other text unchanged. */
function decoded(text: string): string {
  let high = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0xff) return text;
    if (code > 0x7f) high = true;
  }
  if (!high) return text;
  try {
    return utf8.decode(Buffer.from(text, "latin1"));
  } catch {
    return text;
  }
}
