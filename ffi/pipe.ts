/** Pipes and FIFOs: making them, and their size. */
import { ptr } from "bun:ffi";
import { cString } from "./c-string.ts";
import { O } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { E, SystemError } from "./errno.ts";

/** include/uapi/linux/fcntl.h. */
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;

export type Pipe = { read: number; write: number };

/** A pipe, close-on-exec; `flags` may add O.NONBLOCK, which makes splice non-blocking on both of its sides. */
export function makePipe(flags = 0): Pipe {
  const fds = new Int32Array(new ArrayBuffer(8));
  if (libc.pipe2(ptr(fds), flags | O.CLOEXEC) < 0) throw new SystemError("pipe2", `${flags}`, errno());
  const [read = -1, write = -1] = fds;
  return { read, write };
}

/**
 * Asks for a pipe of `bytes` and returns what it now holds (the kernel rounds up to a power of two of pages), or -errno:
 * EPERM where /proc/sys/fs/pipe-max-size or pipe-user-pages-soft forbids it, EBUSY when it holds more than that.
 */
export function setPipeSize(fd: number, bytes: number): number {
  const size = libc.fcntl(fd, F_SETPIPE_SZ, bytes);
  return size >= 0 ? size : -errno();
}

export function pipeSize(fd: number): number {
  const size = libc.fcntl(fd, F_GETPIPE_SZ, 0);
  if (size < 0) throw new SystemError("fcntl", `${fd}, F_GETPIPE_SZ`, errno());
  return size;
}

/** Makes a FIFO. False when something of that name exists already. */
export function makeFifo(path: string, mode: number): boolean {
  if (libc.mkfifo(ptr(cString(path)), mode) === 0) return true;
  const number = errno();
  if (number === E.EEXIST) return false;
  throw new SystemError("mkfifo", JSON.stringify(path), number);
}
