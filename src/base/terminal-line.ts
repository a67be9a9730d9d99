/** One line on stderr that is updated in place, where stderr is a terminal. */
import { writeSync } from "node:fs";
import { isTerminal } from "./is-terminal.ts";
import { lineIsCleared, lineIsShown } from "./shown-lines.ts";

export class TerminalLine {
  readonly isShown = isTerminal(2);
  #dirty = false;
  readonly #clear = (): void => {
    lineIsCleared(this.#clear);
    if (this.#dirty) write("\r\x1b[K");
    this.#dirty = false;
  };

  /** Cut to the terminal's width. */
  show(text: string): void {
    if (!this.isShown) return;
    write(`\r\x1b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
    this.#dirty = true;
    lineIsShown(this.#clear);
  }

  clear(): void {
    this.#clear();
  }
}

function write(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // A terminal that went away ends no work.
  }
}
