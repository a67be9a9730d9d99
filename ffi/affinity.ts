/** sched_setaffinity(2) for the calling thread. */
import { ptr } from "bun:ffi";
import { errno, libc } from "./libc.ts";

/** Kernels are built for at most 8192 CPUs (CONFIG_NR_CPUS on x86-64 with MAXSMP). */
const maskBytes = 8192 / 8;

const mask = new Uint8Array(new ArrayBuffer(maskBytes));

/** Binds the calling thread to one CPU. Returns 0 or the errno (EINVAL: the CPU is offline, absent or not allowed). */
export function pinThread(cpu: number): number {
  if (!(cpu >= 0 && cpu < maskBytes * 8)) throw new RangeError(`cannot pin to CPU ${cpu}`);
  mask.fill(0);
  mask[cpu >> 3] = 1 << (cpu & 7);
  return libc.sched_setaffinity(0, maskBytes, ptr(mask)) === 0 ? 0 : errno();
}
