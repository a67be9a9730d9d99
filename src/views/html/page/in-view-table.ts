/** What is in view as a table: for who does not see the picture. It is filled when it is opened. */
import { button, element, tableOf } from "./dom.ts";
import { durationText, taskText, timeText } from "./format.ts";
import type { Row } from "./model.ts";
import { lowerBound } from "./search.ts";
import type { Stage } from "./stage.ts";

/** The longest are shown; and after a change so long is waited for the next. */
const [rowsMax, settleMs] = [100, 300];

export function inViewTable(stage: Stage): { box: HTMLElement; changed: () => void } {
  const place = element("div");
  const box = element("details", {}, element("summary", {}, "What is in view, as a table"), place);
  let timer: number | undefined;
  const fill = (): void => place.replaceChildren(tableOfView(stage));
  box.addEventListener("toggle", () => box.open && fill());
  const changed = (): void => {
    if (!box.open) return;
    clearTimeout(timer);
    timer = setTimeout(fill, settleMs);
  };
  return { box, changed };
}

function tableOfView(stage: Stage): HTMLElement {
  const { from, to } = stage.window;
  let found: { row: Row; index: number; ns: number }[] = [];
  let count = 0;
  for (const row of stage.model.rows) {
    const { start, end, count: all } = row.slices;
    for (let index = Math.max(0, lowerBound(start, from, all) - 1); index < all && (start[index] ?? 0) < to; index++) {
      if ((end[index] ?? 0) < from) continue;
      count++;
      found.push({ row, index, ns: (end[index] ?? 0) - (start[index] ?? 0) });
      if (found.length > 64 * rowsMax) found = longest(found);
    }
  }
  const shown = longest(found).sort((a, b) => startOf(a) - startOf(b));
  const rows = shown.map(({ row, index, ns }) => [
    row.machine.label === "" ? row.label : `${row.machine.label}, ${row.label}`,
    button(taskText(row.machine, row.slices.task[index] ?? 0), () => stage.goTo({ row, of: "slices", index })),
    { text: timeText(stage.epoch, row.slices.start[index] ?? 0), number: true },
    { text: durationText(ns), number: true },
    { text: (row.slices.wait[index] ?? 0) > 0 ? durationText(row.slices.wait[index] ?? 0) : "-", number: true },
  ]);
  const title = count > shown.length ? `The ${shown.length} longest of ${count} runs in view` : `${count} runs in view`;
  return tableOf(title, ["CPU", "task", "from (s)", "for", "had waited"], rows);
}

function longest<T extends { ns: number }>(found: readonly T[]): T[] {
  return found.toSorted((a, b) => b.ns - a.ns).slice(0, rowsMax);
}

function startOf({ row, index }: { row: Row; index: number }): number {
  return row.slices.start[index] ?? 0;
}
