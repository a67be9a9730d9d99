/** The guests of a soak: fake agents that number their events, are killed, and come back. */
import { readdirSync, rmSync } from "node:fs";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import type { FakeAgentScript } from "../support/fake-agent.ts";
import type { Random } from "../support/random.ts";
import { numbersPerLife } from "./accounting.ts";

const cpus = 2;

export class SoakGuest {
  readonly name: string;
  readonly directory: string;
  readonly #script: FakeAgentScript;
  #life = 0;
  #process: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;

  constructor(folder: string, name: string, random: Random) {
    this.name = name;
    this.directory = `${folder}/${name}`;
    const transport = random.pick(["fifo", "socket"] as const);
    this.#script = {
      cpus,
      transport,
      subBuffers: 0,
      numbered: 1,
      words: ["clock"],
      files: { trace_clock: "local [mono_raw]\n" },
      time: true,
    };
    makeGuestDirectory(this.directory, planSetup(cpus), transport, undefined);
  }

  async start(): Promise<void> {
    const script: FakeAgentScript = { ...this.#script, numbersFrom: this.#life++ * numbersPerLife };
    // As QEMU does: what a killed one left.
    for (const name of readdirSync(this.directory)) if (name.endsWith(".sock")) rmSync(`${this.directory}/${name}`);
    const fake = `${import.meta.dir}/../support/fake-agent.ts`;
    this.#process = Bun.spawn([process.execPath, fake, this.directory, JSON.stringify(script)], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    const { value } = await this.#process.stdout.getReader().read();
    if (Buffer.from(value ?? []).toString() !== "ready\n") throw new Error(`${this.name} did not start`);
  }

  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }
}
