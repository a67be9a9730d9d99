/** Whether a copy that the kernel makes is one of each byte, as where files cannot share blocks. */
import { statfsSync } from "node:fs";

/** statfs(2) of file systems whose copy_file_range(2) copies each byte through memory: ext2 to ext4 (include/uapi/linux/magic.h), tmpfs. */
const plainDisks: ReadonlySet<number> = new Set([0xef53, 0x01021994]);

/** By the directory that files are in. */
const known = new WeakMap<object, boolean>();

/** Of an open file, found out once for each directory. Where it is not known, files may share blocks. */
export function isOnPlainDisk(file: { fd: number; place: { directory: object | undefined } }): boolean {
  const { fd, place } = file;
  const { directory } = place;
  if (directory === undefined) return isPlainDisk(fd);
  let isPlain = known.get(directory);
  if (isPlain === undefined) known.set(directory, (isPlain = isPlainDisk(fd)));
  return isPlain;
}

function isPlainDisk(fd: number): boolean {
  try {
    return plainDisks.has(statfsSync(`/proc/self/fd/${fd}`).type);
  } catch {
    return false;
  }
}
