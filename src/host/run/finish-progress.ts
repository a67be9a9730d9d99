/** How far the writing of a recording's file is: a line on stderr where that is a terminal, and nothing for a short one. */
import { TerminalLine } from "../../base/terminal-line.ts";
import { hostLimits } from "../limits.ts";

type Line = { show(text: string): void; clear(): void };

export class FinishProgress {
  readonly #line: Line;
  readonly #title: string;
  readonly #bytes: number;
  readonly #beginMs = performance.now();
  #shownMs = 0;
  #done = 0;

  /** `bytes`: of all data in the spool; some of it may not belong to the recording. */
  constructor(title: string, bytes: number, line: Line = new TerminalLine()) {
    this.#title = title;
    this.#bytes = bytes;
    this.#line = line;
  }

  /** So many bytes more are in the file. */
  add(bytes: number, nowMs = performance.now()): void {
    this.#done += bytes;
    if (nowMs - this.#beginMs < hostLimits.progressAfterMs || nowMs - this.#shownMs < hostLimits.statusLineMs) return;
    this.#shownMs = nowMs;
    const percent = this.#bytes === 0 ? 0 : Math.min(100, Math.floor((100 * this.#done) / this.#bytes));
    const seconds = Math.round((nowMs - this.#beginMs) / 1000);
    this.#line.show(`writing ${this.#title}: ${percent} %, ${seconds} s  (Ctrl-C ends it, the spool stays)`);
  }

  clear(): void {
    this.#line.clear();
  }
}
