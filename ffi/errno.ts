/** errno numbers that code checks, their names, and the error for a failed system call. */
import { errnoNames } from "./errno-names.ts";

/** include/uapi/asm-generic/errno-base.h and errno.h; the same numbers on x86-64 and arm64. */
export const E = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  ENOEXEC: 8,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  ESPIPE: 29,
  EPIPE: 32,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EOPNOTSUPP: 95,
  ENOSYS: 38,
  EXDEV: 18,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ECONNRESET: 104,
  ECONNREFUSED: 111,
} as const;

const meanings: Record<string, string> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  EIO: "input/output error",
  ENXIO: "no such device or address",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  ENFILE: "too many open files in the system",
  EMFILE: "too many open files",
  ENOSPC: "no space left on device",
  EROFS: "the file system is read-only",
  EXDEV: "not on the same file system",
  ELOOP: "a symbolic link, or too many of them",
  ENOTEMPTY: "the directory is not empty",
  ENAMETOOLONG: "the name is too long",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file is too large",
  EPIPE: "the reading end is gone",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
};

/** "EAGAIN" for 11; "errno 4095" for a number that has no name. */
export function errnoName(number: number): string {
  const name = errnoNames[number] ?? "-";
  return name === "-" ? `errno ${number}` : name;
}

/** "EBUSY, device or resource busy". */
export function describeErrno(number: number): string {
  const name = errnoName(number);
  const meaning = meanings[name];
  return meaning === undefined ? name : `${name}, ${meaning}`;
}

/** A system call that failed in a way its wrapper does not expect: which call, on what, what the system said. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly call: string;
  readonly errno: number;
  readonly code: string;

  constructor(call: string, args: string, number: number) {
    super(`${call}(${args}): ${describeErrno(number)}`);
    this.call = call;
    this.errno = number;
    this.code = errnoName(number);
  }
}
