/**
 * virtio-serial ports. On the host they end in a chardev of QEMU: a FIFO pair or a socket.
 *
 * In the guest they are found by name: /sys/class/virtio-ports/vportMpN/name holds it, /dev/vportMpN is the device.
 * udev makes links /dev/virtio-ports/NAME, which small images do not have.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename } from "node:path";
import { O, openFd } from "../../ffi/fd.ts";
import { transportLimits } from "./limits.ts";
import type { Transport } from "./transport.ts";

const sysfsDirectory = "/sys/class/virtio-ports";
const linkDirectory = "/dev/virtio-ports";
const driverDirectory = "/sys/bus/virtio/drivers/virtio_console";

export const virtio = {
  guest: {
    traits: {
      duplex: true,
      oneFd: true,
      singleOpener: true,
      spliceMaxBytes: transportLimits.virtioSpliceBytes,
      ackedSpliceMaxBytes: transportLimits.virtioSpliceBytes,
      mayDrop: true,
      mayRefuseSplice: false,
      waitsInSplice: false,
      absentHost: true,
      hangsUp: false,
      keeps: false,
    },
    traitsOf: (path) =>
      hasIndirectDescriptors(path) ? { ackedSpliceMaxBytes: transportLimits.virtioAckedSpliceBytes } : {},
    ports: virtioPorts,
    /** Whether there is a device: QEMU announces the names of its ports a moment later. */
    portsMayCome: () => entriesOf(driverDirectory).some((name) => name.startsWith("virtio")),
    open: (path) => openFd(path, O.RDWR | O.NONBLOCK),
  },
} as const satisfies Transport;

/** Device path by port name. Empty where the guest has no virtio-serial device or no driver for it. */
export function virtioPorts(): Map<string, string> {
  const ports = new Map<string, string>();
  for (const device of entriesOf(sysfsDirectory)) {
    try {
      const name = readFileSync(`${sysfsDirectory}/${device}/name`, "latin1").trim();
      if (name !== "" && !ports.has(name)) ports.set(name, `/dev/${device}`);
    } catch {
      // Unplugged between the two reads.
    }
  }
  for (const name of entriesOf(linkDirectory)) {
    if (existsSync(`${linkDirectory}/${name}`)) ports.set(name, `${linkDirectory}/${name}`);
  }
  return ports;
}

/** VIRTIO_RING_F_INDIRECT_DESC (include/uapi/linux/virtio_ring.h), as a place in sysfs' string of bits. */
const indirectDescriptorsBit = 28;

/**
 * Whether a piece takes one entry of the port's queue, however many pages it has. Without that a large piece does not fit the queue, and
 * the driver drops it.
 */
function hasIndirectDescriptors(path: string): boolean {
  try {
    const features = `${sysfsDirectory}/${basename(realpathSync(path))}/device/features`;
    return readFileSync(features, "latin1")[indirectDescriptorsBit] === "1";
  } catch {
    return false;
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
