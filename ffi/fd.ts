/** File descriptors: open, close, read, write, flags. All that is opened here is close-on-exec. */
import { architecture } from "./architecture.ts";
import { ptr } from "bun:ffi";
import { cString } from "./c-string.ts";
import { errno, libc } from "./libc.ts";
import { E, SystemError } from "./errno.ts";

/** arch/arm64/include/uapi/asm/fcntl.h has its own numbers for these two; all others are the same on x86-64 and arm64. */
const [DIRECTORY, NOFOLLOW] = architecture === "arm64" ? [0o40000, 0o100000] : [0o200000, 0o400000];

/** include/uapi/asm-generic/fcntl.h. O_TMPFILE holds the bit of O_DIRECTORY, as there. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  APPEND: 0o2000,
  NOCTTY: 0o400,
  NONBLOCK: 0o4000,
  DIRECTORY,
  NOFOLLOW,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  TMPFILE: 0o20000000 | DIRECTORY,
} as const;

const SEEK_SET = 0;
const SEEK_END = 2;
const F_GETFL = 3;
const F_SETFL = 4;
/** include/uapi/linux/fcntl.h. */
const F_DUPFD_CLOEXEC = 1030;

/** A path as libc takes it, for a file that is opened again and again, or when time counts. */
export type PreparedPath = { path: string; name: Uint8Array<ArrayBuffer> };

export function preparePath(path: string): PreparedPath {
  return { path, name: cString(path) };
}

/** Opens a file; the caller closes the fd. */
export function openFd(path: string | PreparedPath, flags: number, mode = 0): number {
  const { path: text, name } = typeof path === "string" ? preparePath(path) : path;
  for (;;) {
    const fd = libc.open(ptr(name), flags | O.CLOEXEC, mode);
    if (fd >= 0) return fd;
    const number = errno();
    if (number !== E.EINTR) throw new SystemError("open", JSON.stringify(text), number);
  }
}

/** Closes `fd`. Linux has released it even where close() reports an error, so there is nothing to retry or report. */
export function closeFd(fd: number): void {
  if (!(fd >= 0)) throw new RangeError(`cannot close fd ${fd}`);
  libc.close(fd);
}

/** A further fd of the same open file, with the same position; the caller closes it. */
export function duplicateFd(fd: number): number {
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw new SystemError("fcntl", `${fd}, F_DUPFD_CLOEXEC`, errno());
  return copy;
}

/** Bytes read (0 at the end of the data), or -errno. `buffer` must have an ArrayBuffer of its own, see FFI notes in libc.ts. */
export function readInto(fd: number, buffer: Uint8Array<ArrayBuffer>, length = buffer.byteLength, offset = 0): number {
  const count = libc.read(fd, ptr(buffer, offset), length);
  return count >= 0 ? count : -errno();
}

/** The same from a position in the file, whose own position stays as it is. */
export function readAt(fd: number, buffer: Uint8Array<ArrayBuffer>, position: number): number {
  const count = libc.pread(fd, ptr(buffer), buffer.byteLength, position);
  return count >= 0 ? count : -errno();
}

/** Bytes written, or -errno. */
export function writeFrom(
  fd: number,
  buffer: Uint8Array<ArrayBuffer>,
  offset = 0,
  length = buffer.byteLength - offset,
): number {
  const count = libc.write(fd, ptr(buffer, offset), length);
  return count >= 0 ? count : -errno();
}

/**
 * Sets the position of a file after its last whole piece of `unit` bytes, so that an incomplete one is overwritten. Devices
 * and pipes, which have no position, are not changed.
 */
export function seekBehindWhole(fd: number, unit: number): void {
  const size = Number(libc.lseek(fd, 0, SEEK_END));
  if (size > 0) libc.lseek(fd, size - (size % unit), SEEK_SET);
}

/** The open flags of the file description (O_NONBLOCK, O_APPEND and the access mode). */
export function statusFlags(fd: number): number {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  if (flags < 0) throw new SystemError("fcntl", `${fd}, F_GETFL`, errno());
  return flags;
}

/** Sets or clears O_NONBLOCK of the file description, which other processes may share. Returns whether it was set before. */
export function setNonBlocking(fd: number, on: boolean): boolean {
  const before = statusFlags(fd);
  const after = on ? before | O.NONBLOCK : before & ~O.NONBLOCK;
  if (after !== before && libc.fcntl(fd, F_SETFL, after) < 0) {
    throw new SystemError("fcntl", `${fd}, F_SETFL, ${after}`, errno());
  }
  return (before & O.NONBLOCK) !== 0;
}
