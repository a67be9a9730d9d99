/**
 * fallocate(2), copy_file_range(2), sync_file_range(2) and syncfs(2): reserving space for a large file, filling it from another one
 * inside the kernel, and writing it, or all files, to the disk.
 */
import { ptr } from "bun:ffi";
import { errno } from "./libc.ts";
import { libcHost } from "./libc-host.ts";
import { E, SystemError } from "./errno.ts";

/** include/uapi/linux/falloc.h: the file does not grow. */
const FALLOC_FL_KEEP_SIZE = 1;
/** include/uapi/linux/fs.h */
const SYNC_FILE_RANGE_WRITE = 2;

/**
 * Reserves `length` bytes from `offset` on: one search for room instead of one for every piece, and a full disk says so
 * before anything is written. Throws ENOSPC; a file system that cannot reserve is left to find room as it is written to.
 */
export function reserveSpace(fd: number, offset: number, length: number): void {
  if (!(fd >= 0) || length <= 0) return;
  while (libcHost().fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length) < 0) {
    const number = errno();
    if (number === E.EINTR) continue;
    if (number === E.ENOSPC) throw new SystemError("fallocate", `${fd}, ${length} bytes`, number);
    return;
  }
}

const [fromPlace, toPlace] = [new BigInt64Array(new ArrayBuffer(8)), new BigInt64Array(new ArrayBuffer(8))];

/**
 * Copies up to `length` bytes between two regular files; where the file system can, both then share the blocks. Bytes copied (0: the
 * source ends there), or -errno: EXDEV, EINVAL, EOPNOTSUPP and ENOSYS mean that these two files cannot do it.
 */
export function copyFileRange(
  fdIn: number,
  offsetIn: number,
  fdOut: number,
  offsetOut: number,
  length: number,
): number {
  fromPlace[0] = BigInt(offsetIn);
  toPlace[0] = BigInt(offsetOut);
  const copied = Number(libcHost().copy_file_range(fdIn, ptr(fromPlace), fdOut, ptr(toPlace), BigInt(length), 0));
  return copied >= 0 ? copied : -errno();
}

/**
 * Makes the kernel start writing a part of a file to the disk. It guarantees nothing: a failure is reported by the
 * fdatasync at the end.
 */
export function startWriteback(fd: number, offset: number, length: number): void {
  if (fd >= 0) libcHost().sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

/**
 * Returns when the disk has all that was written to the file system of this file, by whomever, contents and names. Throws what went
 * wrong since the file was opened; kernels before 5.8 do not tell.
 */
export function syncFileSystem(fd: number): void {
  if (!(fd >= 0)) return;
  if (libcHost().syncfs(fd) < 0) throw new SystemError("syncfs", `${fd}`, errno());
}
