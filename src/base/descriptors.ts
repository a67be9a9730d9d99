/** File descriptors that this process may still open: the runtime dies when they run out, so they are counted first. */
import { readdirSync, readFileSync } from "node:fs";

/** `limit`: the soft limit; `free`: what is left of it. Undefined without /proc. */
export function descriptorsLeft(): { limit: number; free: number } | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    if (soft === undefined) return undefined;
    return { limit: Number(soft), free: Number(soft) - readdirSync("/proc/self/fd").length };
  } catch {
    return undefined;
  }
}
