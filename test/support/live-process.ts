/** A command of trace-agent that shows something until it is ended, and what it has said so far. */
import { eventually, executable } from "./agent-process.ts";

export class LiveProcess {
  stdout = "";
  stderr = "";
  readonly process;
  readonly #read: Promise<void[]>;
  /** It has ended, and all that it said is here. */
  #isOver = false;

  /** `environment`: beside that of the tests. */
  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    this.process = Bun.spawn([executable, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...environment },
    });
    const read = async (stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> => {
      for await (const chunk of stream) take(Buffer.from(chunk).toString("latin1"));
    };
    this.#read = Promise.all([
      read(this.process.stdout, (text) => void (this.stdout += text)),
      read(this.process.stderr, (text) => void (this.stderr += text)),
    ]);
    void this.ended().then(() => (this.#isOver = true));
  }

  /** Waits until its standard error contains the text. */
  async says(text: string, timeoutMs = 240_000): Promise<void> {
    await eventually(
      () => this.stderr.includes(text) || this.#isOver,
      `it says ${text}`,
      () => this.stderr,
      timeoutMs,
    );
    if (!this.stderr.includes(text)) throw new Error(`it ended without saying ${text}:\n${this.stderr}`);
  }

  /** Waits until it has shown the text. */
  async shows(text: string, timeoutMs = 240_000): Promise<void> {
    await eventually(
      () => this.stdout.includes(text) || this.#isOver,
      `it shows ${text}`,
      () => `${this.stdout.slice(-2000)}\n${this.stderr}`,
      timeoutMs,
    );
    if (!this.stdout.includes(text)) throw new Error(`it ended without showing ${text}:\n${this.stderr}`);
  }

  async ended(): Promise<number> {
    const code = await this.process.exited;
    await this.#read;
    return code;
  }
}
