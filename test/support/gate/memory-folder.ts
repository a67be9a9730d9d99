/**
 * Where the groups of the quick form have their temporary files: in memory, where a tenth less CPU time goes into files, and nobody waits
 * for a disk. The gate has them on the disk, as users have.
 */
import { accessSync, constants, readFileSync, statfsSync } from "node:fs";

export const memoryPlace = "/dev/shm";
/** statfs(2). */
const tmpfsMagic = 0x0102_1994;
const GiB = 1024 ** 3;
/** All groups together have held 1.1 GiB at a time. */
const leastBytes = 4 * GiB;

/** Undefined where there is too little, or programs may not run there, as in a container. */
export function memoryFolder(): string | undefined {
  try {
    const { type, bsize, bavail } = statfsSync(memoryPlace);
    if (type !== tmpfsMagic || bsize * bavail < leastBytes || availableBytes() < leastBytes) return undefined;
    accessSync(memoryPlace, constants.W_OK);
    return mayRunPrograms(readFileSync("/proc/self/mounts", "latin1")) ? memoryPlace : undefined;
  } catch {
    return undefined;
  }
}

/** proc(5): device, place, type, options. Of several in one place the last one is seen. */
export function mayRunPrograms(mounts: string): boolean {
  const here = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .findLast(([, where]) => where === memoryPlace);
  return !(here?.[3] ?? "noexec").split(",").includes("noexec");
}

function availableBytes(): number {
  const [, kilobytes = "0"] = /^MemAvailable: +(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "latin1")) ?? [];
  return Number(kilobytes) * 1024;
}
