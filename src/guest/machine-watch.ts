/**
 * Tells when CPUs and ports are to be looked over: when a device node of a port comes or goes, and, where nothing tells of
 * a change and somebody depends on it, every now and then. An armed agent sleeps: orders look anew.
 */
import { type FSWatcher, watch } from "node:fs";
import { messageOf } from "../errors.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";

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
        // The name in sysfs and udev's link come a moment after the node.
        clearTimeout(this.#settling);
        this.#settling = setTimeout(this.#rescan, limits.deviceSettleMs);
      });
    } catch (error) {
      log.debug(`new ports are seen after ${limits.rescanMs} ms only: ${messageOf(error)}`);
      this.#blind = true;
      this.lookRegularly(true);
    }
  }

  /** While events are moved a CPU may come back, and where a port is missed it may be of a kind that makes no node. */
  lookRegularly(wanted: boolean): void {
    if (wanted || this.#blind) {
      this.#timer ??= setInterval(this.#rescan, limits.rescanMs);
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
