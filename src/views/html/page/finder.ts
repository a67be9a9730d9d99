/** Search for tasks by a part of their name, or by their pid. */
import type { Model, Row } from "./model.ts";
import { lowerBound } from "./search.ts";
import type { Stage } from "./stage.ts";

/** By machine the tasks; undefined for an empty text. */
export function findTasks({ machines }: Model, text: string): ReadonlySet<number>[] | undefined {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return undefined;
  return machines.map(
    ({ tasks }) =>
      new Set(
        tasks.flatMap(([pid, name], number) =>
          pid !== 0 && (String(pid) === wanted || `${name.toLowerCase()}-${pid}`.includes(wanted)) ? [number] : [],
        ),
      ),
  );
}

export function countFound({ rows }: Model, found: readonly ReadonlySet<number>[]): { slices: number; tasks: number } {
  let slices = 0;
  for (const { machine, slices: all } of rows) {
    const wanted = found[machine.number];
    if (wanted === undefined || wanted.size === 0) continue;
    for (let at = 0; at < all.count; at++) if (wanted.has(all.task[at] ?? 0)) slices++;
  }
  return { slices, tasks: found.reduce((sum, { size }) => sum + size, 0) };
}

/** The next slice of what was found, by time, from what is chosen or else from the left on. */
export function nextFound(stage: Stage, step: number): void {
  const { found, chosen, model } = stage;
  if (found === undefined) return;
  const isSlice = chosen?.of === "slices";
  const time = isSlice ? (chosen.row.slices.start[chosen.index] ?? 0) : step > 0 ? stage.window.from : stage.window.to;
  let best: { row: Row; index: number; away: number } | undefined;
  for (const row of model.rows) {
    const wanted = found[row.machine.number];
    if (wanted === undefined || wanted.size === 0) continue;
    const { start, task, count } = row.slices;
    // Of those at the same time the rows below come behind.
    const isBelow = isSlice && model.rows.indexOf(row) > model.rows.indexOf(chosen.row);
    const mayBeAt = isSlice ? isBelow === step > 0 && row !== chosen.row : true;
    let at = step > 0 ? lowerBound(start, time, count) : lowerBound(start, time + 1, count) - 1;
    for (; at >= 0 && at < count; at += step) {
      const away = Math.abs((start[at] ?? 0) - time);
      if (best !== undefined && away >= best.away) break;
      if (!wanted.has(task[at] ?? 0) || (away === 0 && !mayBeAt)) continue;
      best = { row, index: at, away };
      break;
    }
  }
  if (best !== undefined) stage.goTo({ row: best.row, of: "slices", index: best.index });
}
