/** What the watch of /dev tells (../machine-watch.ts): whether the device node of a port came or went. */
import { E, SystemError } from "../../../ffi/errno.ts";
import { readInto } from "../../../ffi/fd.ts";
import { eventsIn, IN } from "../../../ffi/inotify-events.ts";

/** The node that the kernel makes, and udev's directory of links. */
const ports = /^vport|^virtio-ports/;

/** Reads what there is. Where the kernel had to drop some, it may have been such a node. */
export function takePortChanges(devicesFd: number, bytes: Uint8Array<ArrayBuffer>): boolean {
  let changed = false;
  for (;;) {
    const count = readInto(devicesFd, bytes);
    if (count === -E.EAGAIN || count === 0) return changed;
    if (count === -E.EINTR) continue;
    if (count < 0) throw new SystemError("read", "inotify", -count);
    for (const { mask, name } of eventsIn(bytes, count))
      if ((mask & IN.Q_OVERFLOW) !== 0 || ports.test(name)) changed = true;
  }
}
