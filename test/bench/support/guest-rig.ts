/** A guest to measure in: both agents, the workload, and a sink at the host's ends of its data ports. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { bootGuest } from "../../support/guest.ts";
import type { Guest, GuestProcess } from "../../support/guest-handle.ts";
import { agentExecutable } from "./agent-executable.ts";
import type { Transport } from "../../support/qemu.ts";
import { type Child, Lines, startChild } from "./child.ts";
import { benchProgram } from "./programs.ts";
import type { Contender } from "./rig.ts";

export const guestCpus = [0, 1];

/** "C bounded": with an option of its own that bounds what it puts into one entry of a port's queue, as ours does. */
export type GuestContender = Contender | "C bounded";
const kernelAgentOptions = { C: "", "C bounded": "-s 65536" } as const;

const tracing = "/sys/kernel/tracing";

export class GuestRig {
  readonly guest: Guest;
  /** Undefined over sockets. */
  readonly #orders: number | undefined;
  #agent: GuestProcess | undefined;
  #sink: Child | undefined;
  #sinkLines: Lines | undefined;

  private constructor(guest: Guest) {
    this.guest = guest;
    if (guest.transport === "fifo") this.#orders = openSync(join(guest.directory, `${controlPortName}.in`), constants.O_RDWR);
  }

  static async boot(kernelAgent: string | undefined, transport: Transport = "fifo"): Promise<GuestRig> {
    const files: Record<string, string> = { "/bin/trace-agent": agentExecutable, "/bin/workload": benchProgram("workload") };
    if (kernelAgent !== undefined) files["/bin/kernel-agent"] = kernelAgent;
    const guest = await bootGuest({ kernel: "6.12", cpus: guestCpus.length, memoryMb: 1024, transport, files });
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

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  async startAgent(contender: GuestContender): Promise<void> {
    if (contender !== "ours") {
      // It can say much when its host is absent.
      this.#agent = await this.guest.spawn(`cd /bench; exec kernel-agent ${kernelAgentOptions[contender]} >/dev/null`);
      await Bun.sleep(1000);
      return;
    }
    this.#agent = await this.guest.spawn("exec trace-agent");
    await this.#agent.says("armed: ");
    // A guest under emulation takes its time for the rehearsal too.
    await Bun.sleep(5000);
  }

  order(text: "1" | "0"): void {
    if (this.#orders !== undefined) writeSync(this.#orders, `${text}\n`);
  }

  /** CPU time of the agent in the guest so far. */
  async agentCpuNs(): Promise<number> {
    return Number(await this.guest.text(`workload cputime ${this.agentPid}`));
  }

  async endAgent(): Promise<void> {
    await this.#agent?.kill("KILL");
    await this.#agent?.exitCode();
    this.#agent = undefined;
  }

  async close(): Promise<void> {
    await this.endSink();
    if (this.#orders !== undefined) closeSync(this.#orders);
    await this.guest.close();
  }
}
