/** Ports of a running guest are taken out and put in again, as a host's management does. */
import type { Guest } from "./guest-handle.ts";

/** Against hanging only. */
const limitMs = 240_000;
const retryMs = 20;

/** Resolves when neither QEMU nor the guest's driver has the port; what the guest's programs make of that may come later. */
export async function unplugPort(guest: Guest, name: string): Promise<void> {
  const id = `p-${name}`;
  await guest.qmp.execute("device_del", { id });
  await guest.qmp.event("DEVICE_DELETED", limitMs, ({ data }) => data?.["device"] === id);
  await guest.run(`while grep -qsx ${name} /sys/class/virtio-ports/*/name; do usleep 100000; done`);
}

/** Of the first virtio-serial device. `nr`: the port's number there, which is 1 for the first. */
export async function plugPort({ qmp }: Guest, name: string, nr: number): Promise<void> {
  const port = { driver: "virtserialport", bus: "vser0.0", nr, chardev: `c-${name}`, id: `p-${name}`, name };
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      await qmp.execute("device_add", port);
      return;
    } catch (error) {
      // One that is gone gives its chardev back a moment later, by a thread of QEMU's own, and nothing tells when.
      if (!String(error).includes("in use") || performance.now() > deadline) throw error;
      await Bun.sleep(retryMs);
    }
  }
}
