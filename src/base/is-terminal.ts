/** Whether a descriptor is a terminal. */
import { fstatSync } from "node:fs";

/** Major number of memory devices, /dev/null among them (the kernel's devices.txt). */
const memoryDevices = 1;

/** node:tty, which brings streams and sockets with it and takes 8 ms to load, is asked only of what may be one. */
export function isTerminal(fd: number): boolean {
  try {
    const status = fstatSync(fd);
    if (!status.isCharacterDevice() || status.rdev >>> 8 === memoryDevices) return false;
  } catch {
    return false;
  }
  return process.getBuiltinModule("node:tty").isatty(fd);
}
