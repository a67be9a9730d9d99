/** Checks conditions under which the run would fail half-way, before anything is opened. */
import { counted } from "../base/plural.ts";
import { descriptorsLeft } from "../base/descriptors.ts";
import { AgentError } from "../base/errors.ts";
import { guestLimits } from "./limits.ts";

/**
 * The runtime dies without a message when descriptors run out, so they are counted first. Inherited descriptors
 * count too: those of a service manager or a shell can take a good part of a low limit.
 */
export function requireDescriptors(cpus: number): void {
  const left = descriptorsLeft();
  if (left === undefined) return;
  const { limit, free } = left;
  const open = limit - free;
  const inherited = Math.max(open - guestLimits.descriptorsAtStart, 0);
  const needed = guestLimits.descriptorsBase + cpus * guestLimits.descriptorsPerCpu + inherited;
  if (limit >= needed) return;
  const taken = inherited === 0 ? "" : ` (${inherited} were open at the start)`;
  throw new AgentError(
    "unavailable",
    `cannot serve ${counted(cpus, "CPU")} with ${limit} file descriptors${taken}: ${needed} are needed`,
    { remedy: `raise the limit (ulimit -n ${needed}), or serve fewer CPUs (--cpus)` },
  );
}
