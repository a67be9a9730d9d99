/** The host's side of a guest as `trace-agent setup` makes it: what a guest of the tests is started with as `prepared`. */
import { qemuArguments } from "../../src/host/setup/qemu-arguments.ts";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import type { HostTransport } from "../../src/transport/transports.ts";

export function prepareGuest(
  directory: string,
  cpus: number,
  transport: HostTransport,
): { directory: string; qemuArguments: string[] } {
  const plan = planSetup(cpus);
  makeGuestDirectory(directory, plan, transport, undefined);
  return { directory, qemuArguments: qemuArguments(plan, directory, transport) };
}
