/** CPU lists as the kernel writes them: "0-3,8" (Documentation/admin-guide/cputopology.rst). */
import { AgentError } from "../base/errors.ts";
import { tracefsLimits } from "./limits.ts";

/** Sorted, each CPU once. Throws a usage error that quotes `text`; "" is the empty list. */
export function parseCpuList(text: string): number[] {
  const cpus = new Set<number>();
  for (const part of text.trim().split(",")) {
    if (part === "") continue;
    const [, first, last] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    if (first === undefined) throw badList(text, `"${part}" is neither a number nor a range`);
    const from = Number(first);
    const to = last === undefined ? from : Number(last);
    if (to < from) throw badList(text, `"${part}" runs backwards`);
    if (to >= tracefsLimits.cpusMax) throw badList(text, `CPU ${to} is beyond ${tracefsLimits.cpusMax - 1}`);
    for (let cpu = from; cpu <= to; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** "0-3,8" for [0,1,2,3,8]; "none" for []. */
export function formatCpuList(cpus: readonly number[]): string {
  const ranges: string[] = [];
  const sorted = [...cpus].sort((a, b) => a - b);
  for (let index = 0; index < sorted.length;) {
    const first = sorted[index];
    let last = first;
    while (sorted[index + 1] === (last ?? 0) + 1) last = sorted[++index];
    index++;
    ranges.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return ranges.length === 0 ? "none" : ranges.join(",");
}

function badList(text: string, reason: string): AgentError {
  return new AgentError("usage", `cannot read CPU list "${text}": ${reason}`, { remedy: 'write it as "0-3,8"' });
}
