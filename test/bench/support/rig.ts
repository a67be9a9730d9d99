/**
 * A place to measure in on this machine: a tracefs instance, FIFOs for ports, a sink that reads them, and one agent at a
 * time. It is taken down from the agent to the instance: sub-buffers must not lie in a FIFO when their instance goes.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../../ffi/pipe.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import { tracedCpus } from "../../../src/tracefs/cpus.ts";
import { readCpuStats } from "../../../src/tracefs/cpu-stats.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { agentExecutable } from "./agent-executable.ts";
import { eventually } from "../../support/agent-process.ts";
import { TracefsInstance } from "../../support/tracefs.ts";
import { armed, type Child, Lines, startChild } from "./child.ts";
import { benchProgram } from "./programs.ts";

export type Contender = "ours" | "C";

/** Behind all passes of an armed agent's JIT warm-up. */
export const warmedUpMs = guestLimits.warmUpPasses.reduce((sum, { afterMs }) => sum + afterMs, 200);

export class Rig {
  readonly tracefs: TracefsInstance;
  readonly cpus: number[];
  readonly #folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
  readonly #orders: number;
  #agent: Child | undefined;
  #sink: Child | undefined;
  #sinkLines: Lines | undefined;
  #contender: Contender = "ours";

  constructor(name: string) {
    this.tracefs = new TracefsInstance(`bench-${name}`);
    this.cpus = tracedCpus(this.tracefs.path);
    const ports = join(this.#folder, "ports");
    mkdirSync(ports);
    symlinkSync(this.tracefs.path, join(this.#folder, "tracing"));
    for (const end of ["in", "out"]) makeFifo(join(ports, `${controlPortName}.${end}`), 0o600);
    for (const cpu of this.cpus) makeFifo(join(ports, `${dataPortName(cpu)}.out`), 0o600);
    this.#orders = openSync(join(ports, `${controlPortName}.in`), constants.O_RDWR);
  }

  get fifos(): string[] {
    return this.cpus.map((cpu) => join(this.#folder, "ports", `${dataPortName(cpu)}.out`));
  }

  get portsDirectory(): string {
    return join(this.#folder, "ports");
  }

  get agentPid(): number {
    return this.#agent?.pid ?? -1;
  }

  async startSink(mode: "count" | "stamps" = "count"): Promise<void> {
    const sink = startChild([benchProgram("sink"), mode, ...this.fifos]);
    this.#sink = sink;
    this.#sinkLines = new Lines(sink.stdout, sink.stderr);
    await this.#sinkLines.next();
  }

  /** The next line of the sink: in `count` mode the bytes, and the time of the last of them. */
  async sinkLine(): Promise<string> {
    if (this.#sinkLines === undefined) throw new Error("no sink");
    return this.#sinkLines.next();
  }

  /** Ends the sink and gives all lines that are left. */
  async endSink(): Promise<string[]> {
    const lines: string[] = [];
    if (this.#sink === undefined || this.#sinkLines === undefined) return lines;
    void this.#sink.stdin.end();
    try {
      for (;;) lines.push(await this.#sinkLines.next());
    } catch {
      // It ended, or does not.
      this.#sink.kill("SIGKILL");
      await this.#sink.exited;
    }
    this.#sink = undefined;
    return lines;
  }

  /** Starts the run. Ours lets an event wait for so long. */
  startRun(latencyMs: number): void {
    const asked = this.#contender === "ours" && latencyMs !== protocolLimits.latencyMsDefault;
    this.order(asked ? `set latency_ms ${latencyMs}\n1` : "1");
  }

  /** Starts an agent and resolves when it waits for orders, and `settleMs` later: an agent of a guest that is up for a while. */
  async startAgent(
    contender: Contender,
    kernelAgent: string | undefined,
    settleMs = warmedUpMs,
    program = agentExecutable,
  ): Promise<void> {
    this.#contender = contender;
    if (contender === "C") {
      if (kernelAgent === undefined) throw new Error("no kernel agent");
      this.#agent = startChild([kernelAgent], { cwd: this.#folder });
      const { pid } = this.#agent;
      await eventually(() => waitingThreads(pid) >= this.cpus.length, "the kernel's agent waits for an order");
      await Bun.sleep(settleMs);
      return;
    }
    const words = [program, "--tracefs", this.tracefs.path, "--ports", join(this.#folder, "ports")];
    const agent = startChild(words);
    this.#agent = agent;
    await armed(agent);
    await Bun.sleep(settleMs);
  }

  order(text: string): void {
    writeSync(this.#orders, `${text}\n`);
  }

  async endAgent(): Promise<void> {
    // The kernel's agent waits for data in splice(), where its signal handler is not heard.
    this.#agent?.kill(this.#contender === "C" ? "SIGKILL" : "SIGTERM");
    await this.#agent?.exited;
    this.#agent = undefined;
  }

  /** Events since the buffer was last emptied: those that were overwritten before anybody read them, those that were read, and all. */
  get counts(): { overrun: number; read: number; seen: number } {
    let [overrun, read, seen] = [0, 0, 0];
    for (const cpu of this.cpus) {
      const stats = readCpuStats(this.tracefs.path, cpu);
      if (stats === undefined) continue;
      overrun += stats.overrun;
      read += stats.readEvents;
      seen += stats.overrun + stats.entries + stats.readEvents;
    }
    return { overrun, read, seen };
  }

  async close(): Promise<void> {
    await this.endAgent();
    await this.endSink();
    closeSync(this.#orders);
    await this.tracefs.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Threads of the kernel's agent that wait on its condition variable. It says nothing when it is up, and one that has not come
 * so far misses the order to start for good.
 */
function waitingThreads(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).filter((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/wchan`, "latin1").includes("futex"),
  ).length;
}

/** Nanoseconds since 1970, as the sink counts them. */
export function clockNs(): number {
  return (performance.timeOrigin + performance.now()) * 1e6;
}
