/**
 * libc's functions that the agent calls, and errno. What only the host's commands call is in libc-host.ts: each function that a thread
 * has linked costs it memory, called or not.
 *
 * glibc and musl both answer to "libc.so.6". Each Worker that imports this opens its own handle, and errno is per
 * thread, so `__errno_location()` is asked once per Worker. Pass 0 for a null pointer (null would box), and check
 * every fd before a call: bun:ffi turns undefined and NaN into 0, which is standard input.
 */
import { dlopen, type Pointer, read } from "bun:ffi";

const library = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: "ptr" },
  open: { args: ["ptr", "i32", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "u32"], returns: "i32" },
  pread: { args: ["i32", "ptr", "u32", "i64"], returns: "i32" },
  write: { args: ["i32", "ptr", "u32"], returns: "i32" },
  lseek: { args: ["i32", "i64", "i32"], returns: "i64" },
  fcntl: { args: ["i32", "i32", "u32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  mkfifo: { args: ["ptr", "u32"], returns: "i32" },
  splice: { args: ["i32", "ptr", "i32", "ptr", "u32", "u32"], returns: "i32" },
  poll: { args: ["ptr", "u32", "i32"], returns: "i32" },
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  epoll_wait: { args: ["i32", "ptr", "i32", "i32"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
  sysconf: { args: ["i32"], returns: "i32" },
  sched_setaffinity: { args: ["i32", "u32", "ptr"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  send: { args: ["i32", "ptr", "u32", "i32"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "i64"], returns: "ptr" },
  munmap: { args: ["ptr", "u64"], returns: "i32" },
  mprotect: { args: ["ptr", "u64", "i32"], returns: "i32" },
});

export const libc = library.symbols;

/** The null pointer: the number 0, which bun:ffi passes on unboxed. */
export const NULL = 0 as Pointer;

const errnoAddress = libc.__errno_location() ?? NULL;
if (errnoAddress === NULL) throw new Error("libc gave no errno");

/** errno of this thread. Only right as the very next expression after the call that failed. */
export function errno(): number {
  return read.i32(errnoAddress, 0);
}
