/**
 * Says when to rescan CPUs and ports: when a port's device node appears or goes, and periodically where no such
 * event exists and somebody depends on it. An armed agent sleeps and rescans at each order.
 */
import { type FSWatcher, watch } from "node:fs";
import { messageOf } from "../base/errors.ts";
import { guestLimits } from "./limits.ts";
import { log } from "../base/log.ts";

export class MachineWatch {
  readonly #rescan: () => void;
  #devices: FSWatcher | undefined;
  /** Device nodes cannot be watched. */
  #blind = false;
  #settling: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(rescan: () => void) {
    this.#rescan = rescan;
  }

  begin(): void {
    try {
      this.#devices = watch("/dev", (_, name) => {
        if (!/^vport|^virtio-ports/.test(name ?? "")) return;
        // The name in sysfs and udev's link appear a moment after the node.
        clearTimeout(this.#settling);
        this.#settling = setTimeout(this.#rescan, guestLimits.deviceSettleMs);
      });
    } catch (error) {
      log.debug(`new ports are seen after ${guestLimits.rescanMs} ms only: ${messageOf(error)}`);
      this.#blind = true;
      this.checkRegularly(true);
    }
  }

  /** While running, a CPU may come online again, and a missing port may be of a kind without a device node. */
  checkRegularly(wanted: boolean): void {
    if (wanted || this.#blind) {
      this.#timer ??= setInterval(this.#rescan, guestLimits.rescanMs);
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  close(): void {
    this.#devices?.close();
    clearTimeout(this.#settling);
    clearInterval(this.#timer);
  }
}
