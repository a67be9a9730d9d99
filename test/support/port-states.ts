/** What the guest's driver and QEMU each hold of a virtio-serial port: who of the two does not go on. */
import type { Guest } from "./guest-handle.ts";

export type PortState = {
  name: string;
  /** As the driver knows it. */
  hostConnected: boolean;
  /** The driver's queue has no free entry. */
  full: boolean;
  /** QEMU waits for room in the chardev. */
  throttled: boolean;
};

const debug = "/tmp/port-states";

export async function portStates(guest: Guest): Promise<PortState[]> {
  const driver = await guest.text(
    `mkdir -p ${debug}; mountpoint -q ${debug} || mount -t debugfs debugfs ${debug}; cat ${debug}/virtio-ports/*`,
  );
  const tree = String(await guest.qmp.execute("human-monitor-command", { "command-line": "info qtree" }));
  const devices = tree.split("dev: virtserialport");
  return driver
    .split(/^name: /m)
    .slice(1)
    .map((text) => {
      const name = text.slice(0, text.indexOf("\n"));
      const device = devices.find((one) => one.includes(`name = "${name}"`)) ?? "";
      return {
        name,
        hostConnected: text.includes("host_connected: 1"),
        full: text.includes("outvq_full: 1"),
        throttled: device.includes("throttle on"),
      };
    });
}

/** The guest has filled its queue, the host is there, QEMU has nothing to wait for, and takes nothing all the same. */
export function leftByQemu({ hostConnected, full, throttled }: PortState): boolean {
  return hostConnected && full && !throttled;
}
