/** The built executable run to its end, with what it cost. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "./agent-process.ts";

export type Measured = { code: number; cpuSeconds: number; peakMiB: number; stderr: string };

/** Runs one command after the other; its output goes nowhere. */
export class Measurer {
  readonly #directory = mkdtempSync(join(tmpdir(), "trace-agent-measured-"));
  readonly #child = Bun.spawn([process.execPath, join(import.meta.dir, "measure-child.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  readonly #answers = this.#child.stdout.getReader();

  async run(args: readonly string[]): Promise<Measured> {
    const stderr = join(this.#directory, "stderr");
    void this.#child.stdin.write(`${JSON.stringify({ command: [executable, ...args], stderr })}\n`);
    await this.#child.stdin.flush();
    let answer = "";
    while (!answer.endsWith("\n")) {
      const { value, done } = await this.#answers.read();
      if (done) throw new Error(`the process that measures has ended: ${args.join(" ")}`);
      answer += Buffer.from(value).toString();
    }
    const cost = JSON.parse(answer) as Omit<Measured, "stderr">;
    return { ...cost, stderr: readFileSync(stderr, "utf8") };
  }

  async close(): Promise<void> {
    await this.#child.stdin.end();
    await this.#child.exited;
    rmSync(this.#directory, { recursive: true });
  }
}
