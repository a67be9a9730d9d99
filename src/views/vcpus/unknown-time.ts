/** What is left of a recording's time. */
import type { HostVcpus } from "./host-vcpus.ts";
import type { VcpuTimes } from "./vcpu-times.ts";

/** Time of which the host's recording does not say what the vCPU did: before its thread's first event, and around losses. */
export function unknownNs({ scheduling }: HostVcpus, { task, runNs, stallNs }: VcpuTimes, spanNs: number): number {
  const { sleepNs = 0, blockedNs = 0 } = scheduling.tasks.find(task) ?? {};
  return Math.max(0, spanNs - runNs - stallNs - sleepNs - blockedNs);
}
