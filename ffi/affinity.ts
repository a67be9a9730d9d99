/** sched_setaffinity(2) and its reading twin, for the calling thread. */
import { ptr } from "bun:ffi";
import { errno, libc } from "./libc.ts";
import { SystemError } from "./errno.ts";

/** Kernels are built for at most 8192 CPUs (CONFIG_NR_CPUS on x86-64 with MAXSMP). */
const maskBytes = 8192 / 8;

/** Binds the calling thread to one CPU. Returns 0 or the errno (EINVAL: the CPU is offline, absent or not allowed). */
export function pinThread(cpu: number): number {
  if (!(cpu >= 0 && cpu < maskBytes * 8)) throw new RangeError(`cannot pin to CPU ${cpu}`);
  const mask = new Uint8Array(new ArrayBuffer(maskBytes));
  mask[cpu >> 3] = 1 << (cpu & 7);
  return libc.sched_setaffinity(0, maskBytes, ptr(mask)) === 0 ? 0 : errno();
}

/** The CPUs that the calling thread may run on. */
export function allowedCpus(): number[] {
  const mask = new Uint8Array(new ArrayBuffer(maskBytes));
  const length = libc.sched_getaffinity(0, maskBytes, ptr(mask));
  if (length < 0) throw new SystemError("sched_getaffinity", "0", errno());
  const cpus: number[] = [];
  for (let cpu = 0; cpu < maskBytes * 8; cpu++) {
    if (((mask[cpu >> 3] ?? 0) >> (cpu & 7)) & 1) cpus.push(cpu);
  }
  return cpus;
}
