/** How far a long export is: a line on stderr where that is a terminal, and nothing for a short one. */
import { TerminalLine } from "../base/terminal-line.ts";
import type { RecordedPart } from "../trace-dat/parts.ts";
import type { SubBufferReader } from "../trace-dat/trace-source.ts";
import { viewLimits } from "./limits.ts";

type Line = { show(text: string): void; clear(): void };

export class ExportProgress {
  readonly #line: Line;
  readonly #beginMs: number;
  #shownMs = 0;
  #readers: readonly SubBufferReader[] = [];

  constructor(line: Line = new TerminalLine(), beginMs = performance.now()) {
    this.#line = line;
    this.#beginMs = beginMs;
  }

  /** The same parts; what is read from them is the progress. */
  watch(parts: readonly RecordedPart[]): readonly RecordedPart[] {
    return parts.map((part) => {
      let own: readonly SubBufferReader[] = [];
      const open = (): SubBufferReader[] => {
        const opened = part.source.open();
        // What is opened again begins at 0.
        this.#readers = [...this.#readers.filter((reader) => !own.includes(reader)), ...opened];
        own = opened;
        return opened;
      };
      return { ...part, source: { ...part.source, open } };
    });
  }

  /** To be called now and then. */
  show(nowMs = performance.now()): void {
    if (nowMs - this.#beginMs < viewLimits.progressAfterMs || nowMs - this.#shownMs < viewLimits.progressEveryMs)
      return;
    this.#shownMs = nowMs;
    this.#line.show(`${this.percent} %, ${Math.round((nowMs - this.#beginMs) / 1000)} s  (Ctrl-C ends it)`);
  }

  clear(): void {
    this.#line.clear();
  }

  /** Of the CPUs that are read: of a CPU that is not selected nothing is taken. */
  get percent(): number {
    const places = this.#readers.flatMap(({ place }) => (place !== undefined && place.taken > 0 ? [place] : []));
    const bytes = places.reduce((sum, place) => sum + place.bytes, 0);
    const taken = places.reduce((sum, place) => sum + place.taken, 0);
    return bytes === 0 ? 0 : Math.floor((100 * taken) / bytes);
  }
}
