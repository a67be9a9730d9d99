/** File descriptors that this process may still open: the runtime dies when they run out, so they are counted first. */
import { readdirSync, readFileSync } from "node:fs";

/** `limit`: the soft limit; `free`: what is left of it. Undefined without /proc. */
export function descriptorsLeft(): { limit: number; free: number } | undefined {
  const limits = descriptorLimits();
  if (limits === undefined) return undefined;
  try {
    return { limit: limits.soft, free: limits.soft - readdirSync("/proc/self/fd").length };
  } catch {
    return undefined;
  }
}

/** To which the soft limit may be raised; undefined without /proc. */
export function descriptorsHard(): number | undefined {
  return descriptorLimits()?.hard;
}

function descriptorLimits(): { soft: number; hard: number } | undefined {
  try {
    const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return soft === undefined || hard === undefined ? undefined : { soft: Number(soft), hard: Number(hard) };
  } catch {
    return undefined;
  }
}
