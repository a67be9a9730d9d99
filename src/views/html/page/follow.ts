/** A task from CPU to CPU: where it ran before and after. */
import type { Chosen } from "./scene.ts";
import { lowerBound } from "./search.ts";

/** The last run of the chosen slice's task before it, or the first after it, on whichever CPU of its machine. */
export function runBeside({ row, of, index }: Chosen, step: 1 | -1): Chosen | undefined {
  if (of !== "slices") return undefined;
  const task = row.slices.task[index];
  const time = row.slices.start[index] ?? 0;
  let best: Chosen | undefined;
  let nearest = Infinity;
  for (const other of row.machine.lines) {
    const { start, task: tasks, count } = other.slices;
    let at = step > 0 ? lowerBound(start, time + 0.5, count) : lowerBound(start, time, count) - 1;
    while (at >= 0 && at < count && tasks[at] !== task) at += step;
    const away = Math.abs((start[at] ?? Infinity) - time);
    if (at < 0 || at >= count || away >= nearest) continue;
    nearest = away;
    best = { row: other, of, index: at };
  }
  return best;
}
