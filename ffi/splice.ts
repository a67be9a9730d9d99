/** splice(2): moves pages between a file and a pipe inside the kernel. Called in the hot loop, so it allocates nothing. */
import { errno, libc, NULL } from "./libc.ts";

/** include/linux/splice.h. MOVE is only a hint; NONBLOCK speaks of the pipe, O_NONBLOCK of the other side. */
export const SPLICE = { MOVE: 1, NONBLOCK: 2, MORE: 4 } as const;

/** Bytes moved (0: the end, or nothing to move), or -errno. One of the two fds must be a pipe. `length` < 2^31. */
export function splice(fdIn: number, fdOut: number, length: number, flags: number): number {
  const moved = libc.splice(fdIn, NULL, fdOut, NULL, length, flags);
  return moved >= 0 ? moved : -errno();
}
