/**
 * System calls relative to an open directory (openat(2) and its kin): a path that somebody changes meanwhile leads nowhere
 * else. Names are single components; the fds are of directories, also such of O_PATH.
 */
import { ptr } from "bun:ffi";
import { cString } from "./c-string.ts";
import { O } from "./fd.ts";
import { errno } from "./libc.ts";
import { libcHost } from "./libc-host.ts";
import { E, SystemError } from "./errno.ts";

/** include/uapi/linux/fcntl.h: the current directory in place of an open one, and flags of these calls. */
export const AT_FDCWD = -100;
const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
/** PATH_MAX (include/uapi/linux/limits.h): no link holds more. */
const linkBytesMax = 4096;

/** Opens `name` of the directory; the caller closes the fd. */
export function openAt(directory: number, name: string, flags: number, mode = 0): number {
  const fd = openOrErrno(directory, name, flags, mode);
  if (fd < 0) throw new SystemError("open", JSON.stringify(name), -fd);
  return fd;
}

/** The same of what may not be there, where an error would cost more than the call: undefined. */
export function openAtIfThere(directory: number, name: string, flags: number): number | undefined {
  const fd = openOrErrno(directory, name, flags, 0);
  if (fd === -E.ENOENT) return undefined;
  if (fd < 0) throw new SystemError("open", JSON.stringify(name), -fd);
  return fd;
}

function openOrErrno(directory: number, name: string, flags: number, mode: number): number {
  checkDirectory(directory);
  const bytes = cString(name);
  for (;;) {
    const fd = libcHost().openat(directory, ptr(bytes), flags | O.CLOEXEC, mode);
    if (fd >= 0) return fd;
    const number = errno();
    if (number !== E.EINTR) return -number;
  }
}

export function makeDirectoryAt(directory: number, name: string, mode: number): void {
  checkDirectory(directory);
  if (libcHost().mkdirat(directory, ptr(cString(name)), mode) < 0)
    throw new SystemError("mkdir", JSON.stringify(name), errno());
}

/** Makes a FIFO. False when something of that name exists already. */
export function makeFifoAt(directory: number, name: string, mode: number): boolean {
  checkDirectory(directory);
  if (libcHost().mkfifoat(directory, ptr(cString(name)), mode) === 0) return true;
  const number = errno();
  if (number === E.EEXIST) return false;
  throw new SystemError("mkfifo", JSON.stringify(name), number);
}

/** Removes a file, or a link itself. False when there was none. */
export function unlinkAt(directory: number, name: string): boolean {
  return remove(directory, name, 0);
}

/** Removes an empty directory. False when there was none. */
export function removeDirectoryAt(directory: number, name: string): boolean {
  return remove(directory, name, AT_REMOVEDIR);
}

function remove(directory: number, name: string, flags: number): boolean {
  checkDirectory(directory);
  if (libcHost().unlinkat(directory, ptr(cString(name)), flags) === 0) return true;
  const number = errno();
  if (number === E.ENOENT) return false;
  throw new SystemError(flags === 0 ? "unlink" : "rmdir", JSON.stringify(name), number);
}

/** Both names in one directory. What stands at `to` is replaced. */
export function renameAt(directory: number, from: string, into: number, to: string): void {
  checkDirectory(directory);
  if (libcHost().renameat(directory, ptr(cString(from)), into, ptr(cString(to))) < 0) {
    throw new SystemError("rename", `${JSON.stringify(from)}, ${JSON.stringify(to)}`, errno());
  }
}

/**
 * Gives the file of an fd that has no name yet (O_TMPFILE) one, as open(2) describes it; /proc must be mounted. False when something of
 * that name exists already.
 */
export function linkFdAt(fd: number, directory: number, name: string): boolean {
  checkDirectory(directory);
  const from = cString(`/proc/self/fd/${fd}`);
  if (libcHost().linkat(AT_FDCWD, ptr(from), directory, ptr(cString(name)), AT_SYMLINK_FOLLOW) === 0) return true;
  const number = errno();
  if (number === E.EEXIST) return false;
  throw new SystemError("link", JSON.stringify(name), number);
}

export function makeLinkAt(directory: number, name: string, target: string): void {
  checkDirectory(directory);
  if (libcHost().symlinkat(ptr(cString(target)), directory, ptr(cString(name))) < 0) {
    throw new SystemError("symlink", JSON.stringify(name), errno());
  }
}

/** Where a symbolic link leads: of the link that `fd` (O_PATH, O_NOFOLLOW) stands for. */
export function linkTarget(fd: number): string {
  checkDirectory(fd);
  const bytes = new Uint8Array(new ArrayBuffer(linkBytesMax));
  const count = libcHost().readlinkat(fd, ptr(cString("")), ptr(bytes), linkBytesMax);
  if (count < 0) throw new SystemError("readlink", `${fd}`, errno());
  return Buffer.from(bytes.subarray(0, count)).toString("utf8");
}

/** undefined and NaN would become 0, standard input. */
function checkDirectory(fd: number): void {
  if (!(fd >= 0 || fd === AT_FDCWD)) throw new RangeError(`not a directory: fd ${fd}`);
}
