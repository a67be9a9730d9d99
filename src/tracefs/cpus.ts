/** Which CPUs this machine has, and which are online (Documentation/admin-guide/cputopology.rst). */
import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { parseCpuList } from "./cpu-list.ts";

const cpuDirectory = "/sys/devices/system/cpu";

/** The online CPUs; undefined without sysfs. */
export function onlineCpus(): number[] | undefined {
  try {
    return parseCpuList(readFileSync(`${cpuDirectory}/online`, "latin1"));
  } catch {
    return undefined;
  }
}

/**
 * How many CPUs CPUS{...} of a filter may name: those that may ever be there. Undefined where the kernel does not know it: it
 * came with 6.6.
 */
export function filterMaskCpus(): number | undefined {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (major < 6 || (major === 6 && minor < 6)) return undefined;
  return Math.max(...parseCpuList(readFileSync(`${cpuDirectory}/possible`, "latin1"))) + 1;
}

/** CPUs that the ring buffer of `tracingDirectory` has a part for: all that are or were ever online. */
export function tracedCpus(tracingDirectory: string): number[] {
  return readdirSync(`${tracingDirectory}/per_cpu`)
    .map((name) => /^cpu(\d+)$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}
