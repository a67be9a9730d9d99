/** The built executable as a child process on this machine, as its user would run it. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { makeFifo } from "../../ffi/pipe.ts";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";
import { PortReader } from "./port-reader.ts";

export const executable = resolve(import.meta.dir, "../../dist/trace-agent");

/** How often `eventually` looks, at first and after a while. */
const lookMs = 5;
const lookMostMs = 25;

/** Waits until `condition` holds; fails with `what` and what `context` says. */
export async function eventually(
  condition: () => boolean,
  what: string,
  context: () => string = () => "",
  timeoutMs = 240_000,
): Promise<void> {
  const begun = performance.now();
  while (!condition()) {
    const waitedMs = performance.now() - begun;
    if (waitedMs > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}\n${context()}`);
    // What takes long is looked at less often: a wake-up costs 0.1 ms, and many groups wait at a time.
    await Bun.sleep(Math.min(lookMostMs, lookMs + waitedMs / 20));
  }
}

/** A directory with the FIFOs of a guest with these CPUs, and the host's ends of them. */
export class PortDirectory {
  readonly path = mkdtempSync(join(tmpdir(), "trace-agent-ports-"));
  readonly replies: PortReader;
  readonly data = new Map<number, PortReader>();
  readonly #orders: number;

  constructor(cpus: readonly number[], options: { paused?: boolean } = {}) {
    for (const name of [
      `${controlPortName}.in`,
      `${controlPortName}.out`,
      ...cpus.map((cpu) => `${dataPortName(cpu)}.out`),
    ]) {
      makeFifo(join(this.path, name), 0o600);
    }
    // Held for both ways, so that orders can be written before the agent opens its end.
    this.#orders = openSync(join(this.path, `${controlPortName}.in`), constants.O_RDWR);
    this.replies = new PortReader(join(this.path, `${controlPortName}.out`));
    for (const cpu of cpus) this.data.set(cpu, new PortReader(join(this.path, `${dataPortName(cpu)}.out`), options));
  }

  order(text: string): void {
    writeSync(this.#orders, text);
  }

  reader(cpu: number): PortReader {
    const reader = this.data.get(cpu);
    if (reader === undefined) throw new Error(`no port for CPU ${cpu}`);
    return reader;
  }

  /** Sends an order and returns the next JSON line that answers with `reply`. */
  async ask(order: string, reply: string, context: () => string): Promise<Record<string, unknown>> {
    this.replies.take();
    this.order(`${order}\n`);
    let text = "";
    let found: Record<string, unknown> | undefined;
    await eventually(
      () => {
        text += this.replies.take().toString("latin1");
        for (const line of text.split("\n").slice(0, -1)) {
          if (line.startsWith(`{"reply":"${reply}"`)) found = JSON.parse(line) as Record<string, unknown>;
        }
        return found !== undefined;
      },
      `reply "${reply}" to order "${order}"`,
      () => `${text.slice(0, 2000)}\n${context()}`,
    );
    return found as unknown as Record<string, unknown>;
  }

  close(): void {
    closeSync(this.#orders);
    this.replies.close();
    for (const reader of this.data.values()) reader.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

export type AgentProcessOptions = {
  stdout?: number | "ignore";
  env?: Record<string, string>;
  cwd?: string;
  /** False: the arguments name the instance. */
  instance?: boolean;
  /** A command that ends in the executable's path, to run it through. */
  through?: readonly string[];
};

export class AgentProcess {
  readonly child: ChildProcess;
  #stderr = "";
  #ended: { code: number | null; signal: string | null } | undefined;

  constructor(args: readonly string[], options: AgentProcessOptions = {}) {
    if (!existsSync(executable)) throw new Error(`${executable} is missing: run npm run build`);
    const [command = executable, ...before] = options.through ?? [];
    this.child = spawn(command, [...before, ...args], {
      stdio: ["ignore", options.stdout ?? "ignore", "pipe"],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    this.child.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.child.on("close", (code, signal) => (this.#ended = { code, signal }));
  }

  get log(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get ended(): { code: number | null; signal: string | null } | undefined {
    return this.#ended;
  }

  async says(text: string | RegExp, timeoutMs?: number): Promise<void> {
    await eventually(
      () =>
        (typeof text === "string" ? this.#stderr.includes(text) : text.test(this.#stderr)) || this.#ended !== undefined,
      `the agent says ${String(text)}`,
      () => this.#stderr,
      timeoutMs,
    );
    if (typeof text === "string" ? !this.#stderr.includes(text) : !text.test(this.#stderr)) {
      throw new Error(
        `the agent ended (${JSON.stringify(this.#ended)}) without saying ${String(text)}:\n${this.#stderr}`,
      );
    }
  }

  async end(timeoutMs?: number): Promise<{ code: number | null; signal: string | null }> {
    await eventually(
      () => this.#ended !== undefined,
      "the agent ends",
      () => this.#stderr,
      timeoutMs,
    );
    return this.#ended as { code: number | null; signal: string | null };
  }

  /** Ends it on every way out of a test. */
  async kill(): Promise<void> {
    if (this.#ended === undefined) this.child.kill("SIGKILL");
    await this.end();
  }
}
