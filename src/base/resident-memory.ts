/** How much memory this process has. */
import { readFileSync } from "node:fs";

/** Resident, in bytes, as ps shows it; 0 without /proc. */
export function residentBytes(): number {
  try {
    const kB = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    return Number(kB ?? 0) * 1024;
  } catch {
    return 0;
  }
}
