/** eventfd(2): how one thread wakes another out of poll. */
import { ptr } from "bun:ffi";
import { O } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { SystemError } from "./errno.ts";

// The address is taken at each call: kept alone it would not keep the memory, which the collector then gives away.
const one = new BigUint64Array(new ArrayBuffer(8)).fill(1n);
const scratch = new BigUint64Array(new ArrayBuffer(8));

/** A non-blocking eventfd with count 0. EFD_CLOEXEC and EFD_NONBLOCK are the O_ flags of the same name. */
export function makeEventFd(): number {
  const fd = libc.eventfd(0, O.CLOEXEC | O.NONBLOCK);
  if (fd < 0) throw new SystemError("eventfd", "0", errno());
  return fd;
}

/** Makes the fd readable. It cannot fail but by a full counter (2^64), and then the reader is awake already. */
export function signalEventFd(fd: number): void {
  libc.write(fd, ptr(one), 8);
}

/** Makes the fd unreadable again. Harmless when it was not readable. */
export function clearEventFd(fd: number): void {
  libc.read(fd, ptr(scratch), 8);
}
