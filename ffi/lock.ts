/** flock(2): an advisory lock that the kernel drops when its holder dies, however it dies. */
import { errno, libc } from "./libc.ts";
import { E, SystemError } from "./errno.ts";

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Locks the open file, `shared` with others who only read. False when another process holds the lock. */
export function tryLock(fd: number, shared = false): boolean {
  if (libc.flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
  const number = errno();
  if (number === E.EAGAIN) return false;
  throw new SystemError("flock", `${fd}, LOCK_EX`, number);
}
