/**
 * saved_cmdlines: lines of "PID NAME". Most recordings show a few of its tasks, so a name is looked for in the text; who looks
 * for many reads it whole.
 */
import { eventLimits } from "./limits.ts";

const space = 0x20;
const newline = 0x0a;
const zero = 0x30;
const pidDigits = 10;
export class SavedNames {
  readonly bytes: Buffer;
  /** The name that was found last. */
  foundAt = 0;
  foundBytes = 0;
  #searches = 0;

  constructor(text: string) {
    this.bytes = Buffer.from(text, "latin1");
  }

  /** So much was looked for that it should be read; then nothing is found. */
  get isWorn(): boolean {
    return this.#searches > eventLimits.savedNameSearches;
  }

  /** Of several lines of one pid the last counts. */
  find(pid: number): boolean {
    if (pid < 0) return false;
    const { bytes } = this;
    const word = `${pid} `;
    for (let at = bytes.length; at > 0;) {
      if (++this.#searches > eventLimits.savedNameSearches) return false;
      at = bytes.lastIndexOf(word, at - 1, "latin1");
      if (at < 0) return false;
      if (!beginsLine(bytes, at, pidDigits + 1 - word.length)) continue;
      const end = bytes.indexOf(newline, at);
      this.foundAt = at + word.length;
      this.foundBytes = Math.min((end < 0 ? bytes.length : end) - this.foundAt, eventLimits.taskNameBytes);
      return true;
    }
    return false;
  }

  /** Lines in another form are skipped. */
  forEach(take: (pid: number, from: number, length: number) => void): void {
    const { bytes } = this;
    const size = bytes.length;
    for (let at = 0; at < size; at++) {
      while (bytes[at] === space) at++;
      let pid = 0;
      let digits = 0;
      for (; at < size && digits <= pidDigits; at++, digits++) {
        const digit = (bytes[at] ?? 0) - zero;
        if (digit < 0 || digit > 9) break;
        pid = pid * 10 + digit;
      }
      const from = at + 1;
      const isName = digits > 0 && digits <= pidDigits && bytes[at] === space;
      while (at < size && bytes[at] !== newline) at++;
      if (isName) take(pid, from, Math.min(at - from, eventLimits.taskNameBytes));
    }
  }
}

/** Whether a pid at `at` begins its line: only blanks and at most `zerosMax` zeros stand before it. */
function beginsLine(bytes: Uint8Array, at: number, zerosMax: number): boolean {
  let start = at;
  while (start > 0 && at - start <= zerosMax && bytes[start - 1] === zero) start--;
  if (at - start > zerosMax) return false;
  while (start > 0 && bytes[start - 1] === space) start--;
  return start === 0 || bytes[start - 1] === newline;
}

/** The lines of saved_cmdlines, or of saved_tgids. */
export function forEachTaskLine(text: string, take: (pid: number, name: string) => void): void {
  new SavedNames(text).forEach((pid, from, length) => take(pid, text.slice(from, from + length)));
}
