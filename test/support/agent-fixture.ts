/** What the integration tests of the agent share: one tracefs instance per file, and an end to all that a test started. */
import { afterAll, afterEach, beforeEach, setDefaultTimeout } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { notesFolder } from "../../src/guest/control/session-notes.ts";
import { tracedCpus } from "../../src/tracefs/cpus.ts";
import { layoutOf, type SubBufferLayout } from "../../src/ring-buffer/sub-buffer.ts";
import { subBufferSizeBytes } from "../../src/tracefs/tracefs.ts";
import { AgentProcess, type AgentProcessOptions, executable, PortDirectory } from "./agent-process.ts";
import { reasonWithoutTracefs, TracefsInstance } from "./tracefs.ts";

/** Against hanging only. Without it a test run by hand has 5 s, which a loaded machine needs. */
const testTimeoutMs = 300_000;
const symbolsOfFew = 1000;

export class AgentFixture {
  /** Why the tests of this file cannot run here; undefined when they can. */
  readonly skipReason: string | undefined;
  readonly cpus: number[];
  readonly layout: SubBufferLayout;
  readonly scratch = mkdtempSync(join(tmpdir(), "trace-agent-test-"));
  readonly #instance: TracefsInstance | undefined;
  /** That this test has started (instance-guest.ts). */
  guests = 0;
  #agents: AgentProcess[] = [];
  #ports: PortDirectory[] = [];

  constructor(purpose: string) {
    setDefaultTimeout(testTimeoutMs);
    this.skipReason = reasonWithoutTracefs();
    if (this.skipReason !== undefined) console.error(`skipped: ${purpose} tests of the agent: ${this.skipReason}`);
    this.#instance = this.skipReason === undefined ? new TracefsInstance(purpose) : undefined;
    this.cpus = this.#instance === undefined ? [0] : tracedCpus(this.#instance.path);
    this.layout = layoutOf(this.#instance === undefined ? 4096 : subBufferSizeBytes(this.#instance.path), 8);
    beforeEach(() => this.#instance?.reset());
    afterEach(() => this.release());
    afterAll(async () => {
      await this.#instance?.remove();
      rmSync(this.scratch, { recursive: true, force: true });
    });
  }

  get tracefs(): TracefsInstance {
    if (this.#instance === undefined) throw new Error("no tracefs");
    return this.#instance;
  }

  /** Starts an agent on the instance, without waiting for it. */
  launch(args: readonly string[], options: AgentProcessOptions = {}): AgentProcess {
    const instance = options.instance === false ? [] : ["--instance", this.tracefs.name];
    const agent = new AgentProcess([...instance, ...args], options);
    this.#agents.push(agent);
    return agent;
  }

  /**
   * For `through`: an agent that finds a thousand of the kernel's symbols. To tell all of them takes 0.1 s of CPU, 0.2 where they are
   * packed, and as much of who reads them.
   */
  withFewSymbols(program = executable): string[] {
    const file = join(this.scratch, "kallsyms");
    if (!existsSync(file))
      writeFileSync(file, readFileSync("/proc/kallsyms", "latin1").split("\n", symbolsOfFew).join("\n"));
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc/kallsyms && exec "$@"', file, program];
  }

  makePorts(options: { paused?: boolean; cpus?: readonly number[] } = {}): PortDirectory {
    const ports = new PortDirectory(options.cpus ?? this.cpus, options);
    this.#ports.push(ports);
    return ports;
  }

  /** An armed agent on FIFOs. */
  async startOnPorts(
    options: { paused?: boolean; args?: string[] } & Pick<AgentProcessOptions, "through"> = {},
  ): Promise<{ agent: AgentProcess; ports: PortDirectory }> {
    const ports = this.makePorts(options);
    const { through } = options;
    const agent = this.launch(
      ["--ports", ports.path, ...(options.args ?? [])],
      through === undefined ? {} : { through },
    );
    await agent.says("armed: ");
    return { agent, ports };
  }

  async release(): Promise<void> {
    this.guests = 0;
    for (const agent of this.#agents.splice(0)) await agent.kill();
    // What an agent was killed at is none of the next test's business.
    if (this.#instance !== undefined && existsSync(this.#instance.path))
      rmSync(notesFile(this.#instance.path), { force: true });
    for (const ports of this.#ports.splice(0)) ports.close();
  }
}

/** Where an agent notes what it found in a tracing directory before a session changed it. */
export function notesFile(tracingDirectory: string): string {
  const { dev, ino } = statSync(tracingDirectory);
  return `${notesFolder}/${dev}-${ino}`;
}

export const sequence = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index);

/** Why the size of sub-buffers cannot be changed here, or undefined. */
export function noSubBufferSize(fixture: AgentFixture): string | undefined {
  if (fixture.skipReason !== undefined) return fixture.skipReason;
  const { tracefs } = fixture;
  return existsSync(`${tracefs.path}/buffer_subbuf_size_kb`) ? undefined : "before Linux 6.8 sub-buffers have one size";
}

/** Why no second CPU can be looked at, or undefined. */
export function noSecondCpu({ skipReason, cpus }: AgentFixture): string | undefined {
  return skipReason ?? (cpus.length < 2 ? "one CPU only" : undefined);
}
