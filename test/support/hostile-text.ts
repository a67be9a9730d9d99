/** Texts that steer a terminal where they reach it as they are, and how that is found in what was written. */

const esc = "\x1b";

export const hostileTexts: readonly string[] = [
  `${esc}]0;title of the attacker\x07${esc}[2J`,
  `${esc}[31mred`,
  `${esc}Pq#0;2;0;0;0${esc}\\`,
  "bell\x07 backspace\b\b\b return\rtrace-agent: all is well",
  "two lines\ntrace-agent: all is well",
  // C1: CSI and OSC as one char, which is two bytes of UTF-8.
  "\x9b31mred",
  "\x9d0;title\x9c",
  "delete\x7f",
  // Bidi controls, separators, zero-width characters, tags.
  "\u202eneddih\u202c \u2066x\u2069 \u200f\u061c",
  "line\u2028separator\u2029",
  "zero\u200bwidth\u200d\ufeff\u2060",
  "tags\u{e0041}\u{e007f}",
  "half \ud800 a pair",
];

/** Whether bytes hold more than text, newlines and tabs: control characters, also those that come as UTF-8, or format ones. */
export function steersTerminal(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString();
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if ((code < 0x20 && char !== "\n" && char !== "\t") || (code >= 0x7f && code <= 0x9f)) return true;
    if (code === 0x61c || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e)) return true;
    if ((code >= 0x2060 && code <= 0x206f) || code === 0xfeff || (code >= 0xe0000 && code <= 0xe0fff)) return true;
  }
  return false;
}
