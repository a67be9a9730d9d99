/** Keys of the timeline: those of ui.perfetto.dev where it has them. */
import { runBeside } from "./follow.ts";
import { timesOf } from "./hit.ts";
import { lowerBound } from "./search.ts";
import type { Stage } from "./stage.ts";

export const keyTexts: readonly (readonly [keys: string, what: string])[] = [
  ["W S, + −", "zoom in and out"],
  ["A D", "earlier and later"],
  ["← →", "choose what ran before and after in the row"],
  ["↑ ↓", "another row"],
  [", .", "where the task that is chosen ran before and after, on any CPU"],
  ["F", "show what is chosen"],
  ["0, Home", "show all"],
  ["Enter", "to whom it waited for"],
  ["/", "search"],
  ["N, Shift+N", "next and previous that was found"],
  ["Esc", "choose nothing"],
  ["Ctrl+wheel", "zoom at the pointer"],
  ["drag", "move; from the axis, or with Shift: show that time"],
];

export type KeyTargets = { search: () => void; next: (step: number) => void };

const [zoomStep, panStep] = [0.7, 0.2];

/** False where the key means nothing here. */
export function takeKey(stage: Stage, event: KeyboardEvent, targets: KeyTargets): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { window } = stage;
  const actions: Record<string, () => void> = {
    w: () => window.zoom(zoomStep),
    "+": () => window.zoom(zoomStep),
    "=": () => window.zoom(zoomStep),
    s: () => window.zoom(1 / zoomStep),
    "-": () => window.zoom(1 / zoomStep),
    a: () => window.pan(-panStep * window.span),
    d: () => window.pan(panStep * window.span),
    arrowleft: () => step(stage, -1),
    arrowright: () => step(stage, 1),
    arrowup: () => stage.focusRow(-1),
    arrowdown: () => stage.focusRow(1),
    ",": () => follow(stage, -1),
    ".": () => follow(stage, 1),
    f: () => showChosen(stage),
    "0": () => window.showWhole(),
    home: () => window.showWhole(),
    enter: () => toCulprit(stage),
    "/": targets.search,
    n: () => targets.next(event.shiftKey ? -1 : 1),
    escape: () => stage.choose(undefined),
  };
  const action = actions[event.key.toLowerCase()];
  if (action === undefined) return false;
  action();
  return true;
}

/** In the focused row; without one in the first. */
function step(stage: Stage, by: number): void {
  const { chosen } = stage;
  if (stage.focused === undefined) stage.focusRow(1);
  const row = stage.focused;
  if (row === undefined || row.slices.count === 0) return;
  const { start, count } = row.slices;
  const isHere = chosen !== undefined && chosen.row === row && chosen.of === "slices";
  const middle = (stage.window.from + stage.window.to) / 2;
  const time = chosen === undefined ? middle : timesOf(chosen).from;
  const near = lowerBound(start, time, count);
  const index = isHere ? chosen.index + by : by > 0 ? near : near - 1;
  const other = index < 0 || index >= count ? stage.beside(row, by) : undefined;
  if (other !== undefined && other.slices.count > 0) {
    stage.goTo({ row: other, of: "slices", index: by > 0 ? 0 : other.slices.count - 1 });
    return;
  }
  stage.goTo({ row, of: "slices", index: Math.min(count - 1, Math.max(0, index)) });
}

function follow(stage: Stage, by: 1 | -1): void {
  const run = stage.chosen === undefined ? undefined : runBeside(stage.chosen, by);
  if (run !== undefined) stage.goTo(run);
}

function showChosen({ chosen, window }: Stage): void {
  if (chosen === undefined) return;
  const { from, to } = timesOf(chosen);
  window.showAround(from, to);
}

function toCulprit(stage: Stage): void {
  const place = stage.culprit;
  if (place !== undefined) stage.goTo(place);
}
