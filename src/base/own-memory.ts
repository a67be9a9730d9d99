/** How much memory this process has for itself. */
import { readFileSync } from "node:fs";

/** Anonymous and shared memory in bytes: without pages of files, which the kernel takes back when it needs them. 0 without /proc. */
export function ownMemoryBytes(): number {
  try {
    const status = readFileSync("/proc/self/status", "latin1");
    return [...status.matchAll(/^Rss(?:Anon|Shmem):\s*(\d+) kB/gm)].reduce((sum, [, kB]) => sum + Number(kB) * 1024, 0);
  } catch {
    return 0;
  }
}
