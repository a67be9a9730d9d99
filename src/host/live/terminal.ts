/** The terminal of `top`: alternate screen, single keys, and everything restored at the end. */
import type { LiveOutput } from "../../base/live-output.ts";
import type { ScreenLine } from "./top-screen.ts";

const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const styles: Record<ScreenLine["style"], string> = { plain: "", bold: "\x1b[1m", reverse: "\x1b[7m" };

/** The sequence of an arrow key, or a char. */
const keys = /\p{Cc}\[[A-D]|[^]/gu;

export class Terminal {
  readonly #output: LiveOutput;
  readonly #onData: (bytes: Buffer) => void;
  readonly #onResize: () => void;

  constructor(output: LiveOutput, onKey: (key: string) => void, onResize: () => void) {
    this.#output = output;
    this.#onData = (bytes) => {
      for (const [key] of bytes.toString("latin1").matchAll(keys)) onKey(key);
    };
    this.#onResize = onResize;
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#onData);
    process.stdin.resume();
    process.stdout.on("resize", onResize);
    this.#write(enter);
  }

  get columns(): number {
    return process.stdout.columns || 80;
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  /** Overwrites in place to avoid flicker. */
  show(lines: readonly ScreenLine[]): void {
    const text = lines.map(({ text, style }) => `${styles[style]}${text}\x1b[0m\x1b[K`).join("\r\n");
    this.#write(`\x1b[H${text}\x1b[J`);
  }

  close(): void {
    process.stdin.off("data", this.#onData);
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdout.off("resize", this.#onResize);
    this.#write(leave);
  }

  #write(text: string): void {
    this.#output.writeAsIs(Buffer.from(text));
    this.#output.flush();
  }
}
