/**
 * virtio-serial ports of this guest, by name: /sys/class/virtio-ports/vportMpN/name tells it, /dev/vportMpN is the device.
 * udev makes links /dev/virtio-ports/NAME, which small images do not have.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

const sysfsDirectory = "/sys/class/virtio-ports";
const linkDirectory = "/dev/virtio-ports";

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

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
