/** All conditions that the agent needs in a guest, in the order in which they depend on each other. */
import { findPorts } from "../transport/port-place.ts";
import { pageSize } from "../../ffi/sysconf.ts";
import { onlineCpus, tracedCpus } from "../tracefs/cpus.ts";
import { transportLimits } from "../transport/limits.ts";
import type { Condition } from "./condition.ts";
import {
  kernelSymbols,
  kernelTracing,
  lockdown,
  pipes,
  procMounted,
  processor,
  rights,
  tracefs,
} from "./kernel-conditions.ts";
import { MachineView } from "./machine-view.ts";
import { tracingConditions } from "./tracing-conditions.ts";
import { controlPort, dataPorts, virtioConsole } from "./port-conditions.ts";

export type GuestCheckOptions = {
  tracefs?: string | undefined;
  instance?: string | undefined;
  /** Ports of a directory instead of virtio ports. */
  portsDirectory?: string | undefined;
};

export function checkGuest(options: GuestCheckOptions, view: MachineView = new MachineView()): Condition[] {
  const tracing = tracefs(view, options);
  const cpus = tracing.directory === undefined ? (onlineCpus() ?? [0]) : tracedCpus(tracing.directory);
  const place = findPorts(options.portsDirectory);
  return [
    rights(view),
    procMounted(view),
    processor(view),
    kernelTracing(view),
    lockdown(view),
    tracing.condition,
    ...(tracing.directory === undefined ? [] : tracingConditions(tracing.directory, cpus)),
    kernelSymbols(view),
    ...(options.portsDirectory === undefined ? [virtioConsole(view)] : []),
    controlPort(place),
    dataPorts(place, cpus),
    pipes(view, cpus.length, transportLimits.pipeDefaultBytes, pageSize()),
  ];
}
