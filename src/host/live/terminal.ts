/** The terminal of `top`: another screen, keys one by one, and all as it was at the end. */
import { writeAsIs } from "../../standard-output.ts";
import type { ScreenLine } from "./top-screen.ts";

const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const styles: Record<ScreenLine["style"], string> = { plain: "", bold: "\x1b[1m", reverse: "\x1b[7m" };

export class Terminal {
  readonly #onData: (bytes: Buffer) => void;
  readonly #onResize: () => void;

  constructor(onKey: (key: string) => void, onResize: () => void) {
    this.#onData = (bytes) => {
      for (const key of bytes.toString("latin1")) onKey(key);
    };
    this.#onResize = onResize;
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#onData);
    process.stdin.resume();
    process.stdout.on("resize", onResize);
    write(enter);
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  /** Over what was there: no flicker. */
  show(lines: readonly ScreenLine[]): void {
    const text = lines.map(({ text, style }) => `${styles[style]}${text}\x1b[0m\x1b[K`).join("\r\n");
    write(`\x1b[H${text}\x1b[J`);
  }

  close(): void {
    process.stdin.off("data", this.#onData);
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdout.off("resize", this.#onResize);
    write(leave);
  }
}

function write(text: string): void {
  writeAsIs(Buffer.from(text, "latin1"));
}
