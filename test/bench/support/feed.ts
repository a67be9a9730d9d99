/** The program that writes what fake guests send (feed.c): at one rate in all, for so many seconds. */
import { type Child, Lines, startChild } from "./child.ts";
import { benchProgram } from "./programs.ts";

export class Feed {
  readonly #child: Child;
  readonly #lines: Lines;

  constructor(ports: readonly string[], bytesPerSecond: number, seconds: number) {
    this.#child = startChild([benchProgram("feed"), `${bytesPerSecond}`, `${seconds}`, "fifo", ...ports]);
    this.#lines = new Lines(this.#child.stdout, this.#child.stderr);
  }

  async isReady(): Promise<void> {
    await this.#lines.next();
  }

  /** Resolves when all is written. */
  async run(): Promise<{ bytes: number; takenMs: number; bytesOfPorts: number[] }> {
    void this.#child.stdin.write("begin\n");
    void this.#child.stdin.flush();
    const [bytes = 0, takenUs = 0, , , ...bytesOfPorts] = (await this.#lines.next()).split(" ").map(Number);
    return { bytes, takenMs: takenUs / 1000, bytesOfPorts };
  }

  async end(): Promise<void> {
    void this.#child.stdin.end();
    await this.#child.exited;
  }
}
