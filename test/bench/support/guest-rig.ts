/** A guest to measure in: both agents, the workload, and a sink at the host's ends of its data ports. */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { eventually } from "../../support/agent-process.ts";
import { bootGuest } from "../../support/guest.ts";
import type { Guest, GuestProcess } from "../../support/guest-handle.ts";
import { agentExecutable } from "./agent-executable.ts";
import type { Transport } from "../../support/qemu.ts";
import { type Child, Lines, startChild, waitLimitMs } from "./child.ts";
import { benchProgram } from "./programs.ts";
import type { Contender } from "./rig.ts";

export const guestCpus = [0, 1];

/** As the guests of most tests: it is kept already. */
export const tinyGuestMb = 640;

/**
 * "ours, cat": with a host that reads and acknowledges nothing. "C bounded": with an option of its own that bounds what it puts into
 * one entry of a port's queue, as ours does then.
 */
export type GuestContender = Contender | "ours, cat" | "C bounded";
const kernelAgentOptions = { C: "", "C bounded": "-s 65536" } as const;

const tracing = "/sys/kernel/tracing";

/** An agent that takes less in a second has nothing left to do. */
const settledNs = 15e6;
const settleTurnsMax = 60;

export class GuestRig {
  readonly guest: Guest;
  /** Undefined over sockets. */
  readonly #orders: number | undefined;
  #agent: GuestProcess | undefined;
  #sink: Child | undefined;
  #sinkLines: Lines | undefined;

  private constructor(guest: Guest) {
    this.guest = guest;
    if (guest.transport === "fifo")
      this.#orders = openSync(join(guest.directory, `${controlPortName}.in`), constants.O_RDWR);
  }

  static async boot(
    kernelAgent: string | undefined,
    transport: Transport = "fifo",
    memoryMb = 1024,
    more: Record<string, string> = {},
  ): Promise<GuestRig> {
    const files: Record<string, string> = {
      ...more,
      "/bin/trace-agent": agentExecutable,
      "/bin/workload": benchProgram("workload"),
    };
    if (kernelAgent !== undefined) files["/bin/kernel-agent"] = kernelAgent;
    const guest = await bootGuest({ kernel: "6.12", cpus: guestCpus.length, memoryMb, transport, files });
    try {
      // The kernel's agent finds its paths relative to its folder.
      await guest.run(`mkdir -p /bench/ports && ln -s ${tracing} /bench/tracing
        for p in /sys/class/virtio-ports/*; do for end in in out; do
          ln -s /dev/\${p##*/} /bench/ports/$(cat $p/name).$end; done; done
        ln -s agent-ctl-path.in /bench/ports/agent-ctl-path`);
      return new GuestRig(guest);
    } catch (error) {
      await guest.close();
      throw error;
    }
  }

  async reset(bufferKb: number): Promise<void> {
    await this.guest.run(
      `cd ${tracing}; echo 0 >tracing_on; : >set_event; echo ${bufferKb} >buffer_size_kb; : >trace; echo 1 >tracing_on`,
    );
  }

  /** `acks`: it acknowledges, as a recorder does. */
  async startSink(acks = false): Promise<void> {
    const fifos = guestCpus.map((cpu) => join(this.guest.directory, `${dataPortName(cpu)}.out`));
    const mode = acks ? ["acks", join(this.guest.directory, `${controlPortName}.in`)] : ["count"];
    const sink = startChild([benchProgram("sink"), ...mode, ...fifos]);
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

  /** Waits until every data port has given something that nobody has read. */
  async dataWaits(): Promise<void> {
    const fifos = guestCpus.map((cpu) =>
      openSync(join(this.guest.directory, `${dataPortName(cpu)}.out`), constants.O_RDONLY | constants.O_NONBLOCK),
    );
    try {
      for (const fd of fifos)
        await eventually(
          () => givesByte(fd),
          "data in every FIFO",
          () => "",
          waitLimitMs,
        );
    } finally {
      for (const fd of fifos) closeSync(fd);
    }
  }

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  /** `settle` false: without the time that it takes until what it costs is steady; figures are then no figures. */
  async startAgent(contender: GuestContender, settle: boolean): Promise<void> {
    if (contender === "C" || contender === "C bounded") {
      // It can say much when its host is absent.
      this.#agent = await this.guest.spawn(`cd /bench; exec kernel-agent ${kernelAgentOptions[contender]} >/dev/null`);
      // It says nothing when it is up, and a thread that does not wait yet misses the order to start for good.
      const waiting = `cat /proc/${this.#agent.pid}/task/*/wchan | grep -o futex | wc -l`;
      await this.guest.run(`until [ "$(${waiting})" -ge ${guestCpus.length} ]; do usleep 10000; done`);
      if (settle) await Bun.sleep(1000);
      return;
    }
    this.#agent = await this.guest.spawn("exec trace-agent");
    await this.#agent.says("armed: ");
    if (settle) await this.#settled();
  }

  /** An emulated guest takes its time for the JIT warm-up, on a loaded machine more than a few seconds. */
  async #settled(): Promise<void> {
    await Bun.sleep(4000);
    let before = -Infinity;
    for (let turn = 0; turn < settleTurnsMax; turn++) {
      const now = await this.agentCpuNs();
      if (now - before < settledNs) return;
      before = now;
      await Bun.sleep(1000);
    }
  }

  /** What a recorder says first that acknowledges. As a recorder it waits for the answers before it orders the start. */
  async introduce(): Promise<void> {
    const fd = openSync(
      join(this.guest.directory, `${controlPortName}.out`),
      constants.O_RDONLY | constants.O_NONBLOCK,
    );
    try {
      // What the agent before this one has answered.
      takeText(fd);
      this.order(`hello bench\nhost 3 ack\n${guestCpus.map((cpu) => `ack ${cpu} 0`).join("\n")}`);
      let text = "";
      await eventually(
        () => (text += takeText(fd)).includes('{"reply":"host"'),
        "answers to hello and host",
        () => text,
        waitLimitMs,
      );
    } finally {
      closeSync(fd);
    }
  }

  order(text: string): void {
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

/** Takes one byte of what lies in a FIFO; false when there is none. */
function givesByte(fd: number): boolean {
  return takeText(fd, 1) !== "";
}

/** Takes what lies in a FIFO. */
function takeText(fd: number, bytesMax = 65_536): string {
  const bytes = Buffer.alloc(bytesMax);
  try {
    return bytes.toString("latin1", 0, readSync(fd, bytes));
  } catch {
    return "";
  }
}
