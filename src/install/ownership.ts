/**
 * Whether a file is this program's: only those are replaced and removed. The kernel's own agent has the same name,
 * and a unit or a script may have been changed by hand since it was installed.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { sha256 } from "../base/sha256.ts";

/** "changed": ours, but not as we wrote it. */
export type Ownership = "ours" | "changed" | "foreign";

const markStart = '# The lines above as "trace-agent install" wrote them have the SHA-256 ';
/**
 * SHA-256 of files written before there was a mark (version 0.1.0 until November 2026), in the order unit, early
 * unit, preset, rule, scripts.
 */
const unmarked = new Set([
  "506df6b0712fdc30d88a7ab8fd7cee43741c93ba91872fb612e1c5841a16cede",
  "f27b2081e42d4892c289fb4833392579d804f3f06f4b7c6efbdeda99efe56e3f",
  "bd091bf42bdd5871507bf38e6f77fb735b0891d9d33b59281dbd9958a0c096d8",
  "352311603d7e46109cee63a34e401d2062bff8587a178ffec74abe22243b04c1",
  "af0b0cfd21976c24a14e3dde13ca2737584dee5244862e3aaa4543918a5b7ebf",
  "1c9fd8cfc47e3a838f1a944f3f61a91d99d1a94fc8ca0247e9ffc97a1e119e9b",
  "be01a648ee6141ee6636f3bfafb7fce146ee37b916066ab2abeb47e891069548",
  "de7893db6852c6d6837b9120d5bf60f856442d593b4985b41abdf2c840a4935a",
  "8fbab1cd04fe12cc511949926ddcdd31df5cbe8931b83af7f43974b8cd81acf4",
  "41d0d2cead757e434a2e7d76a659658f13db1c3449a2ef1c59f723720146a7d9",
]);

/** The text that is written: in all these files a line that begins with "#" is a comment. */
export function marked(content: string): string {
  return `${content}${markStart}${sha256(content)}.\n`;
}

export function ownershipOf(text: string): Ownership {
  const at = text.lastIndexOf(markStart);
  if (at < 0) return unmarked.has(sha256(text)) ? "ours" : "foreign";
  return marked(text.slice(0, at)) === text ? "ours" : "changed";
}

/** This text is in the program's own source, which the executable contains: in the scripts that it writes. */
const programMark = 'written by "trace-agent install"';
const readBytes = 1024 * 1024;

/** Whether the file is this program, of any version. Throws open(2)'s error. */
export function isOwnProgram(path: string): boolean {
  if (!statSync(path).isFile()) return false;
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(readBytes);
    const overlap = programMark.length;
    let kept = 0;
    for (let first = true; ; first = false) {
      const count = readSync(fd, buffer, kept, readBytes - kept, null);
      if (first && buffer.subarray(0, 4).toString("latin1") !== "\x7fELF") return false;
      if (count === 0) return false;
      const filled = kept + count;
      if (buffer.subarray(0, filled).includes(programMark)) return true;
      kept = Math.min(overlap, filled);
      buffer.copyWithin(0, filled - kept, filled);
    }
  } finally {
    closeSync(fd);
  }
}
