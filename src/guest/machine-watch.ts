/**
 * Says when to rescan CPUs and ports: when a port's device node appears or goes, and periodically where no such
 * event exists and somebody depends on it. An armed agent sleeps and rescans at each order.
 *
 * Device nodes are watched by an inotify descriptor that the control worker has in its poll set: the runtime's own watch is
 * a thread, of 0.3 MiB. It is made here, so that what happens while no such worker lives is read by the next one.
 */
import { closeFd } from "../../ffi/fd.ts";
import { openInotify, watchDirectory } from "../../ffi/inotify.ts";
import { messageOf } from "../base/errors.ts";
import { guestLimits } from "./limits.ts";
import { log } from "../base/log.ts";

export class MachineWatch {
  readonly #rescan: () => void;
  /** -1 where device nodes cannot be watched. */
  readonly devicesFd = watchDevices();
  #settling: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(rescan: () => void) {
    this.#rescan = rescan;
  }

  begin(): void {
    if (this.devicesFd < 0) this.checkRegularly(true);
  }

  /** A port's device node came or went. */
  portsChanged(): void {
    // The name in sysfs and udev's link appear a moment after the node.
    clearTimeout(this.#settling);
    this.#settling = setTimeout(this.#rescan, guestLimits.deviceSettleMs);
  }

  /** While running, a CPU may come online again, and a missing port may be of a kind without a device node. */
  checkRegularly(wanted: boolean): void {
    if (wanted || this.devicesFd < 0) {
      this.#timer ??= setInterval(this.#rescan, guestLimits.rescanMs);
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  /** When no worker reads the descriptor any more. */
  close(): void {
    if (this.devicesFd >= 0) closeFd(this.devicesFd);
    clearTimeout(this.#settling);
    clearInterval(this.#timer);
  }
}

function watchDevices(): number {
  let fd = -1;
  try {
    fd = openInotify();
    watchDirectory(fd, "/dev");
    return fd;
  } catch (error) {
    log.debug(`new ports are seen after ${guestLimits.rescanMs} ms only: ${messageOf(error)}`);
    if (fd >= 0) closeFd(fd);
    return -1;
  }
}
