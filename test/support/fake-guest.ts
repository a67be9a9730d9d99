/** Guests whose agent behaves as a test tells it (fake-agent.ts), and what a recording of one holds. */
import { readFileSync } from "node:fs";
import type { HostTransport } from "../../src/transport/transports.ts";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import type { FakeAgentScript } from "./fake-agent.ts";
import { fillOf } from "./fake-fills.ts";
import { ServedGuests } from "./served-guest.ts";
import { subBufferBytes } from "./sub-buffers.ts";

export type FakeGuest = { directory: string; output: string };

export class FakeGuests {
  /** The number of the newest one. */
  count = 0;
  readonly #base: string;
  readonly #started: ServedGuests[] = [];

  /** `base`: a directory of the test's own. */
  constructor(base: string) {
    this.#base = base;
  }

  async start(
    transport: HostTransport,
    script: Omit<FakeAgentScript, "transport" | "cpus">,
    cpus = 2,
  ): Promise<FakeGuest> {
    const directory = `${this.#base}/vm${++this.count}`;
    makeGuestDirectory(directory, planSetup(cpus), transport, undefined);
    this.#started.push(await ServedGuests.startAgents({ [directory]: { ...script, transport, cpus } }));
    return { directory, output: `${this.#base}/out${this.count}.dat` };
  }

  async end(): Promise<void> {
    for (const guest of this.#started.splice(0)) await guest.end();
  }
}

/** The fills of the sub-buffers per CPU, of a file in which every CPU has `each`. */
export function fillsIn(output: string, cpus: number, each: number): number[][] {
  const data = readFileSync(output).subarray(-cpus * each * subBufferBytes);
  return Array.from({ length: cpus }, (_, cpu) =>
    Array.from({ length: each }, (__, index) => data[(cpu * each + index) * subBufferBytes + 20] ?? -1),
  );
}

/** The same, as it is right. */
export const expectedFills = (cpus: number, each: number): number[][] =>
  Array.from({ length: cpus }, (_, cpu) => Array.from({ length: each }, (__, index) => fillOf(cpu, index)));
