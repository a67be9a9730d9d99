/** What is checked before anything is opened: conditions under which the run would fail half-way. */
import { readFileSync } from "node:fs";
import { AgentError } from "../errors.ts";
import { limits } from "../limits.ts";

/** The runtime itself dies of a lack of descriptors, without a word about what it was doing: so they are counted before. */
export function requireDescriptors(cpus: number): void {
  const needed = limits.descriptorsBase + cpus * limits.descriptorsPerCpu;
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
  if (soft === undefined || Number(soft) >= needed) return;
  throw new AgentError("unavailable", `cannot serve ${cpus} CPUs with ${soft} file descriptors: ${needed} are needed`, {
    remedy: `raise the limit (ulimit -n ${needed}), or serve fewer CPUs (--cpus)`,
  });
}
