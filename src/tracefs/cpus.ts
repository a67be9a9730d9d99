/** Which CPUs this machine has, and which are online (Documentation/admin-guide/cputopology.rst). */
import { readdirSync, readFileSync } from "node:fs";
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

/** CPUs that the ring buffer of `tracingDirectory` has a part for: all that are or were ever online. */
export function tracedCpus(tracingDirectory: string): number[] {
  return readdirSync(`${tracingDirectory}/per_cpu`)
    .map((name) => /^cpu(\d+)$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}
