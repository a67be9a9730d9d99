/** What was sent through a descriptor and lies there unread. */
import { ptr } from "bun:ffi";
import { libc } from "./libc.ts";

/** include/uapi/asm-generic/ioctls.h (SIOCOUTQ is TIOCOUTQ): the same on x86-64 and arm64. */
const FIONREAD = 0x541b;
const SIOCOUTQ = 0x5411;

/** Bytes in a pipe or FIFO, of which either end tells; 0 where nobody knows. */
export function unreadInPipe(fd: number): number {
  return countOf(fd, FIONREAD);
}

/** What was sent into a Unix socket and not read at its other end yet, as the kernel accounts for it; 0 where nobody knows. */
export function unreadInSocket(fd: number): number {
  return countOf(fd, SIOCOUTQ);
}

function countOf(fd: number, request: number): number {
  const count = new Int32Array(new ArrayBuffer(4));
  return libc.ioctl(fd, request, ptr(count)) < 0 ? 0 : (count[0] ?? 0);
}
