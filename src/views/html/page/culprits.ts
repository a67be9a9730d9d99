/** Who had the CPU while a task waited for it. */
import { waitCauses } from "../page-data.ts";
import type { Machine, Row } from "./model.ts";
import { lowerBound } from "./search.ts";

export type Culprit = { task: number; ns: number; row: Row; slice: number };
export type WaitOf = { from: number; to: number; cause: string; row: Row; culprits: Culprit[]; unknownNs: number };

/** The wait that came before a slice: where it waited, and who ran there, longest first. Undefined where it had not waited. */
export function waitBefore(row: Row, slice: number): WaitOf | undefined {
  const { slices } = row;
  const ns = slices.wait[slice] ?? 0;
  if (ns <= 0) return undefined;
  const to = slices.start[slice] ?? 0;
  const cause = waitCauses[slices.cause[slice] ?? 0] ?? "woken";
  const task = slices.task[slice] ?? 0;
  // A preempted task waited where it had run; of one that was woken only the end says for which CPU it waited.
  const where = cause === "preempted" ? leftAt(row.machine, task, to - ns) : undefined;
  return { from: to - ns, to, cause, ...ranIn(where ?? row, to - ns, to, task) };
}

/** The row on which a task was preempted at this time. */
function leftAt(machine: Machine, task: number, time: number): Row | undefined {
  return machine.lines.find(({ slices }) => {
    const at = lowerBound(slices.start, time, slices.count) - 1;
    return slices.task[at] === task && Math.abs((slices.end[at] ?? 0) - time) < 1;
  });
}

function ranIn(
  row: Row,
  from: number,
  to: number,
  except: number,
): { row: Row; culprits: Culprit[]; unknownNs: number } {
  const { slices } = row;
  const byTask = new Map<number, Culprit & { longest: number }>();
  let ran = 0;
  for (let at = Math.max(0, lowerBound(slices.start, from, slices.count) - 1); at < slices.count; at++) {
    const start = slices.start[at] ?? 0;
    if (start >= to) break;
    const ns = Math.min(to, slices.end[at] ?? 0) - Math.max(from, start);
    const task = slices.task[at] ?? 0;
    if (ns <= 0 || task === except) continue;
    ran += ns;
    const known = byTask.get(task);
    if (known === undefined) byTask.set(task, { task, ns, row, slice: at, longest: ns });
    else {
      known.ns += ns;
      if (ns > known.longest) Object.assign(known, { slice: at, longest: ns });
    }
  }
  const culprits = [...byTask.values()].sort((a, b) => b.ns - a.ns);
  return { row, culprits, unknownNs: Math.max(0, to - from - ran) };
}
