/** execve(2), and what a program leaves to the one that takes its place: descriptors, signals, limits. */
import { readdirSync } from "node:fs";
import { ptr } from "bun:ffi";
import { errno, libc, NULL } from "./libc.ts";
import { libcHost } from "./libc-host.ts";
import { SystemError } from "./errno.ts";

/** include/uapi/asm-generic/fcntl.h, signal-defs.h and resource.h. */
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const SIG_SETMASK = 2;
const SIG_DFL = 0;
const SIG_IGN = 1;
const RLIMIT_NOFILE = 7;
const lastSignal = 31;
/** SIGKILL and SIGSTOP are nobody's to set. */
const fixedSignals: ReadonlySet<number> = new Set([9, 19]);
/** sigset_t of glibc. */
const signalSetBytes = 128;

/**
 * Takes the place of this program; returns errno where that failed. Each text is bytes without NUL. Only standard input, output and
 * error stay open.
 */
export function execute(path: Uint8Array, argv: readonly Uint8Array[], environment: readonly Uint8Array[]): number {
  for (const fd of readdirSync("/proc/self/fd").map(Number)) if (fd > 2) libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
  const name = terminated(path);
  const [argumentList, environmentList] = [stringList(argv), stringList(environment)];
  libcHost().execve(ptr(name), ptr(argumentList.addresses), ptr(environmentList.addresses));
  const number = errno();
  // What the kernel was to read must not be collected before.
  if (argumentList.strings.length + environmentList.strings.length + name.length < 0) throw new Error("unreachable");
  return number;
}

/** No signal is blocked, and those of the mask (bit 0 is signal 1) are ignored; all others have their default. */
export function setSignals(ignored: bigint): void {
  for (let signal = 1; signal <= lastSignal; signal++) {
    if (fixedSignals.has(signal)) continue;
    libcHost().signal(signal, (ignored & (1n << BigInt(signal - 1))) === 0n ? SIG_DFL : SIG_IGN);
  }
  const none = new Uint8Array(new ArrayBuffer(signalSetBytes));
  if (libcHost().sigprocmask(SIG_SETMASK, ptr(none), NULL) < 0)
    throw new SystemError("sigprocmask", "SIG_SETMASK", errno());
}

/** Sets how many descriptors this process may have, the soft limit; the hard one stays. */
export function setDescriptorLimit(soft: number): void {
  const limits = new BigUint64Array(new ArrayBuffer(16));
  if (libcHost().prlimit(0, RLIMIT_NOFILE, NULL, ptr(limits)) < 0)
    throw new SystemError("prlimit", "RLIMIT_NOFILE", errno());
  const [, hard = 0n] = limits;
  limits[0] = BigInt(soft) < hard ? BigInt(soft) : hard;
  if (libcHost().prlimit(0, RLIMIT_NOFILE, ptr(limits), NULL) < 0)
    throw new SystemError("prlimit", `RLIMIT_NOFILE, ${soft}`, errno());
}

function terminated(text: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(text.length + 1));
  bytes.set(text);
  return bytes;
}

/** Addresses of the strings, and a null pointer. The strings live as long as the result is held. */
function stringList(texts: readonly Uint8Array[]): { addresses: BigUint64Array; strings: Uint8Array<ArrayBuffer>[] } {
  const strings = texts.map(terminated);
  const addresses = new BigUint64Array(new ArrayBuffer((strings.length + 1) * 8));
  for (const [index, string] of strings.entries()) addresses[index] = BigInt(ptr(string));
  return { addresses, strings };
}
