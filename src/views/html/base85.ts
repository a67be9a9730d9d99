/**
 * Bytes as text of 85 letters: 5 for 4 bytes, where base64 has 5.33. The letters are those that mean nothing in HTML and in a mail.
 * Behind the last whole 4 bytes stand so many letters as are needed: 1 byte has 2, 2 have 3, 3 have 4.
 */
import { letters85 } from "./page-data.ts";

export function base85(bytes: Uint8Array): string {
  const codes = Buffer.from(letters85, "latin1");
  const text = Buffer.alloc(Math.ceil((bytes.length * 5) / 4));
  let at = 0;
  for (let from = 0; from < bytes.length; from += 4) {
    const own = Math.min(4, bytes.length - from);
    let value = 0;
    for (let place = 0; place < 4; place++) value = value * 256 + (bytes[from + place] ?? 0);
    for (let place = 4; place >= 0; place--) {
      if (place <= own) text[at + place] = codes[value % 85] ?? 0;
      value = Math.floor(value / 85);
    }
    at += own + 1;
  }
  return text.toString("latin1", 0, at);
}
