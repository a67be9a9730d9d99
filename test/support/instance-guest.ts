/** A guest for the host's commands without a VM: a real agent on a tracefs instance of this machine, behind FIFOs. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import type { AgentFixture } from "./agent-fixture.ts";
import type { AgentProcess, AgentProcessOptions } from "./agent-process.ts";
import { isQuick } from "./quick.ts";

export type InstanceGuest = { directory: string; agent: AgentProcess };

/**
 * An armed agent on `fixture`'s instance. `directory` is what commands take as GUEST; it lies in the fixture's scratch, and has the same
 * name in each test, so that a recorder has the guest's symbols from the test before: 0.1 s of CPU each time. In the quick form it
 * has few.
 */
export async function startInstanceGuest(
  fixture: AgentFixture,
  options: { args?: readonly string[]; cpus?: number } & Pick<AgentProcessOptions, "through"> = {},
): Promise<InstanceGuest> {
  const directory = join(fixture.scratch, `guest${++fixture.guests}`);
  rmSync(directory, { recursive: true, force: true });
  makeGuestDirectory(directory, planSetup(options.cpus ?? Math.max(...fixture.cpus) + 1), "fifo", undefined);
  const few = isQuick && options.through === undefined ? { through: fixture.withFewSymbols() } : {};
  const agent = fixture.launch(["--ports", directory, ...(options.args ?? [])], { ...options, ...few });
  await agent.says("armed: ");
  return { directory, agent };
}
