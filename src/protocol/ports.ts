/** Names of the virtio-serial ports: the same on both sides, and those of the kernel's own agent. */

/** Orders from the host, replies to it. */
export const controlPortName = "agent-ctl-path";

/** The trace data of one CPU. */
export function dataPortName(cpu: number): string {
  return `trace-path-cpu${cpu}`;
}

/** The CPU whose data port bears this name, or undefined. */
export function cpuOfDataPort(name: string): number | undefined {
  const digits = /^trace-path-cpu(0|[1-9]\d{0,4})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
