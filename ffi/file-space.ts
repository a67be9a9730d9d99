/** fallocate(2) and sync_file_range(2): how a large file gets its place on the disk, and goes there while it is written. */
import { errno, libc } from "./libc.ts";
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
  while (libc.fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length) < 0) {
    const number = errno();
    if (number === E.EINTR) continue;
    if (number === E.ENOSPC) throw new SystemError("fallocate", `${fd}, ${length} bytes`, number);
    return;
  }
}

/**
 * Has the kernel begin to write a part of a file to the disk. Nothing is promised by it: what fails here is told by the
 * fdatasync at the end.
 */
export function startWriteback(fd: number, offset: number, length: number): void {
  if (fd >= 0) libc.sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}
