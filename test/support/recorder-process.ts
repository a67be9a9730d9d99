/** trace-agent's host commands as their user runs them: the built executable, its output, and its files. */
import { existsSync, readFileSync } from "node:fs";
import { eventually, executable } from "./agent-process.ts";

export type CommandEnd = { code: number; stdout: string; stderr: string };

/** On a loaded machine with an emulated guest; it is no measure of anything. */
const commandTimeoutMs = 300_000;

/** Runs `trace-agent ARGS` to its end. */
export async function traceAgent(...args: string[]): Promise<CommandEnd> {
  return await new RecorderProcess(args).ended();
}

/** The same, and its standard output when it ended well. */
export async function traceAgentText(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await traceAgent(...args);
  if (code !== 0) throw new Error(`trace-agent ${args.join(" ")}: exit code ${code}\n${stderr}`);
  return stdout;
}

export class RecorderProcess {
  readonly args: readonly string[];
  readonly #process;
  readonly #output: Promise<[string, string]>;

  /** `program`: another executable than the built one. */
  constructor(args: readonly string[], program = executable) {
    this.args = args;
    this.#process = Bun.spawn([program, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      // As it is now: preload.ts changed it.
      env: process.env,
    });
    this.#output = Promise.all([new Response(this.#process.stdout).text(), new Response(this.#process.stderr).text()]);
  }

  get pid(): number {
    return this.#process.pid;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends it as the kernel would for want of memory. What it started may live on and hold its output. */
  async killHard(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async ended(): Promise<CommandEnd> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), commandTimeoutMs);
    const code = await this.#process.exited;
    clearTimeout(timer);
    const [stdout, stderr] = await this.#output;
    return { code, stdout, stderr };
  }

  /** Waits until the recording runs: the spool of `output` holds the guest's start reply. */
  async recording(output: string): Promise<void> {
    // An older recorder has another name for it.
    const files = ["spool.json", "session.json"].map((name) => `${output}.spool/${name}`);
    const started = (file: string): boolean =>
      existsSync(file) && readFileSync(file, "utf8").includes('"reply":"start"');
    const end = performance.now() + commandTimeoutMs;
    while (!files.some(started)) {
      if (this.#process.exitCode !== null)
        throw new Error(`trace-agent ${this.args.join(" ")} ended: ${(await this.ended()).stderr}`);
      if (performance.now() > end) throw new Error(`trace-agent ${this.args.join(" ")} does not record`);
      await Bun.sleep(10);
    }
  }

  /** Waits until the spool of `output` holds the text among the data of a CPU. */
  async spooled(output: string, cpu: number, text: string): Promise<void> {
    const spool = `${output}.spool/cpu${cpu}`;
    await eventually(
      () => existsSync(spool) && readFileSync(spool).includes(text),
      `${spool} holds "${text}"`,
      () => "",
      commandTimeoutMs,
    );
  }
}
