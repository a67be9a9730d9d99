/** A guest to measure in: both agents, the workload, and a sink at the host's ends of its data ports. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { bootGuest } from "../../support/guest.ts";
import type { Guest, GuestProcess } from "../../support/guest-handle.ts";
import { agentExecutable } from "./agent-executable.ts";
import { type Child, Lines, startChild } from "./child.ts";
import { benchProgram } from "./programs.ts";
import type { Contender } from "./rig.ts";

export const guestCpus = [0, 1];
const tracing = "/sys/kernel/tracing";

export class GuestRig {
  readonly guest: Guest;
  readonly #orders: number;
  #agent: GuestProcess | undefined;
  #sink: Child | undefined;
  #sinkLines: Lines | undefined;

  private constructor(guest: Guest) {
    this.guest = guest;
    this.#orders = openSync(join(guest.directory, `${controlPortName}.in`), constants.O_RDWR);
  }

  static async boot(kernelAgent: string | undefined): Promise<GuestRig> {
    const files: Record<string, string> = { "/bin/trace-agent": agentExecutable, "/bin/workload": benchProgram("workload") };
    if (kernelAgent !== undefined) files["/bin/kernel-agent"] = kernelAgent;
    const guest = await bootGuest({ kernel: "6.12", cpus: guestCpus.length, memoryMb: 1024, files });
    // The kernel's agent finds its paths relative to its folder.
    await guest.run(`mkdir -p /bench/ports && ln -s ${tracing} /bench/tracing
      for p in /sys/class/virtio-ports/*; do for end in in out; do
        ln -s /dev/\${p##*/} /bench/ports/$(cat $p/name).$end; done; done
      ln -s agent-ctl-path.in /bench/ports/agent-ctl-path`);
    return new GuestRig(guest);
  }

  async reset(bufferKb: number): Promise<void> {
    await this.guest.run(`cd ${tracing}; echo 0 >tracing_on; : >set_event; echo ${bufferKb} >buffer_size_kb; : >trace; echo 1 >tracing_on`);
  }

  async startSink(): Promise<void> {
    const fifos = guestCpus.map((cpu) => join(this.guest.directory, `${dataPortName(cpu)}.out`));
    const sink = startChild([benchProgram("sink"), "count", ...fifos]);
    this.#sink = sink;
    this.#sinkLines = new Lines(sink.stdout, sink.stderr);
    await this.#sinkLines.next();
  }

  async sinkLine(): Promise<string> {
    if (this.#sinkLines === undefined) throw new Error("no sink");
    return this.#sinkLines.next();
  }

  async endSink(): Promise<void> {
    void this.#sink?.stdin.end();
    await this.#sink?.exited;
    this.#sink = undefined;
  }

  async startAgent(contender: Contender): Promise<void> {
    if (contender === "C") {
      this.#agent = await this.guest.spawn("cd /bench; exec kernel-agent");
      await Bun.sleep(1000);
      return;
    }
    this.#agent = await this.guest.spawn("exec trace-agent");
    await this.#agent.says("armed: ");
    // A guest under emulation takes its time for the rehearsal too.
    await Bun.sleep(5000);
  }

  order(text: "1" | "0"): void {
    writeSync(this.#orders, `${text}\n`);
  }

  /** CPU time of the agent in the guest so far. */
  async agentCpuNs(): Promise<number> {
    return Number(await this.guest.text(`workload cputime ${this.#agent?.pid ?? 0}`));
  }

  async endAgent(): Promise<void> {
    await this.#agent?.kill("KILL");
    await this.#agent?.exitCode();
    this.#agent = undefined;
  }

  async close(): Promise<void> {
    await this.endSink();
    closeSync(this.#orders);
    await this.guest.close();
  }
}
