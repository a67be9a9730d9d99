/** trace-agent's host commands as their user runs them: the built executable, its output, and its files. */
import { existsSync, readFileSync } from "node:fs";
import { executable } from "../../support/agent-process.ts";

export type CommandEnd = { code: number; stdout: string; stderr: string };

/** On a loaded machine with an emulated guest; it is no measure of anything. */
const commandTimeoutMs = 120_000;

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

  constructor(args: readonly string[]) {
    this.args = args;
    this.#process = Bun.spawn([executable, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
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
    const session = `${output}.spool/session.json`;
    const end = Date.now() + commandTimeoutMs;
    while (!existsSync(session) || !readFileSync(session, "utf8").includes('"reply":"start"')) {
      if (this.#process.exitCode !== null) throw new Error(`trace-agent ${this.args.join(" ")} ended: ${(await this.ended()).stderr}`);
      if (Date.now() > end) throw new Error(`trace-agent ${this.args.join(" ")} does not record`);
      await Bun.sleep(10);
    }
  }
}
