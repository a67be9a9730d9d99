/** What lies at a place of the picture. */
import { type Bands, bandsOf, type Layout, lineAt } from "./layout.ts";
import type { Row } from "./model.ts";
import type { Chosen } from "./scene.ts";
import { intervalAt, lowerBound } from "./search.ts";

/** `y` from the first row on; `reach`: ns that a pointer may be off. */
export function hitAt(layout: Layout, y: number, time: number, reach: number): Chosen | undefined {
  const line = lineAt(layout.lines, y);
  for (const row of line?.rows ?? []) {
    const hit = line === undefined ? undefined : hitIn(row, bandsOf(line, layout.rem), layout.rem, y, time, reach);
    if (hit !== undefined) return hit;
  }
  return undefined;
}

function hitIn(
  row: Row,
  { slices, interrupts, view }: Bands,
  rem: number,
  y: number,
  time: number,
  reach: number,
): Chosen | undefined {
  if (row.view !== undefined && y >= view[0] - 0.1 * rem) {
    const index = intervalAt(row.view.stalls, time, reach);
    if (index >= 0) return { row, of: "stalls", index };
  }
  if (y >= interrupts[0] - 0.1 * rem && y < view[0]) {
    const index = intervalAt(row.interrupts, time, reach);
    if (index >= 0) return { row, of: "interrupts", index };
  }
  if (y < slices[0]) {
    const index = nearest(row.marks.time, time, reach);
    if (index >= 0) return { row, of: "marks", index };
  }
  const index = intervalAt(row.slices, time, reach);
  if (index >= 0) return { row, of: "slices", index };
  const loss = intervalAt(row.losses, time, reach);
  return loss >= 0 ? { row, of: "losses", index: loss } : undefined;
}

function nearest(times: Float64Array, time: number, reach: number): number {
  const next = lowerBound(times, time);
  const away = (at: number): number => Math.abs((times[at] ?? Infinity) - time);
  const best = next > 0 && away(next - 1) < away(next) ? next - 1 : next;
  return away(best) <= reach ? best : -1;
}

/** The chosen interval's time. */
export function timesOf({ row, of, index }: Chosen): { from: number; to: number } {
  if (of === "marks") return { from: row.marks.time[index] ?? 0, to: row.marks.time[index] ?? 0 };
  const intervals = of === "stalls" ? row.view?.stalls : row[of];
  return { from: intervals?.start[index] ?? 0, to: intervals?.end[index] ?? 0 };
}
