/**
 * Which port goes to which virtio-serial device of the VM.
 *
 * At boot QEMU announces all ports of a device at once through a queue of 32 entries. With more than 15 ports on a
 * device some announcements are lost, and those ports never appear in the guest. So a VM gets as many devices as it
 * needs.
 */
import { AgentError } from "../../base/errors.ts";
import { hostLimits } from "../limits.ts";
import { controlPortName, dataPortName } from "../../protocol/ports.ts";

export type PlannedPort = { name: string; controller: number; number: number };
export type SetupPlan = { controllers: number; ports: PlannedPort[] };

export const portsPerController = 15;
/** Port 0 of a virtio-serial device is reserved for a console. */
export const maxPorts = portsPerController + 1;
/** Two queues per port, two control queues, and one for changes of configuration. */
export const vectors = 2 * maxPorts + 3;

export function planSetup(cpus: number): SetupPlan {
  if (!Number.isSafeInteger(cpus) || cpus < 1 || cpus > hostLimits.setupCpusMax) {
    throw new AgentError("usage", `cannot set up ${cpus} CPUs`, { remedy: `give 1 to ${hostLimits.setupCpusMax}` });
  }
  const names = [controlPortName, ...Array.from({ length: cpus }, (_, cpu) => dataPortName(cpu))];
  const ports = names.map((name, index) => ({
    name,
    controller: Math.floor(index / portsPerController),
    number: 1 + (index % portsPerController),
  }));
  return { controllers: Math.ceil(names.length / portsPerController), ports };
}
