/** Draws what is chosen over its row. */
import type { Scale } from "./bands.ts";
import { waitBefore } from "./culprits.ts";
import { bandsOf, type Line } from "./layout.ts";
import type { Row } from "./model.ts";
import type { Scene } from "./scene.ts";
import type { Theme } from "./theme.ts";

/** The chosen interval, and before a slice the wait that it ends, from its waker on. */
export function drawChosen(
  context: CanvasRenderingContext2D,
  { chosen, layout, theme }: Scene,
  scale: Scale,
  hatch: CanvasPattern | string,
): void {
  if (chosen === undefined) return;
  const { row, of, index } = chosen;
  const xOf = (time: number): number => scale.x + ((time - scale.from) * scale.width) / (scale.to - scale.from);
  const lineOf = (wanted: Row): Line | undefined => layout.lines.find(({ rows }) => rows.includes(wanted));
  const line = lineOf(row);
  if (line === undefined) return;
  const bands = bandsOf(line, theme.rem);
  const box = (
    from: number,
    to: number,
    [y, height]: [number, number],
    colour: string,
    fill?: CanvasPattern | string,
  ): void => {
    const left = Math.max(scale.x, xOf(from));
    const right = Math.min(scale.x + scale.width, xOf(to));
    if (right < scale.x || left > scale.x + scale.width) return;
    if (fill !== undefined) {
      context.fillStyle = fill;
      context.fillRect(left, y, right - left, height);
    }
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.strokeRect(left - 1, y - 1, Math.max(3, right - left + 2), height + 2);
  };
  if (of === "marks") {
    const time = row.marks.time[index] ?? 0;
    box(time, time, bands.slices, theme.accent);
    return;
  }
  const intervals = of === "stalls" ? row.view?.stalls : row[of];
  const band = of === "stalls" ? bands.view : of === "interrupts" ? bands.interrupts : bands.slices;
  const wait = of === "slices" ? waitBefore(row, index) : undefined;
  if (wait !== undefined) {
    const where = lineOf(wait.row);
    const y = bandsOf(where ?? line, theme.rem).slices;
    box(wait.from, wait.to, y, theme.stall, hatch);
    drawWaker(context, theme, scale, row, index, wait.from, lineOf, y);
  }
  if (intervals !== undefined) box(intervals.start[index] ?? 0, intervals.end[index] ?? 0, band, theme.accent);
}

function drawWaker(
  context: CanvasRenderingContext2D,
  theme: Theme,
  scale: Scale,
  { machine, slices }: Row,
  index: number,
  time: number,
  lineOf: (row: Row) => Line | undefined,
  [y, height]: [number, number],
): void {
  const waker = machine.lines.find(({ cpu }) => cpu === slices.wakerCpu[index]);
  const line = waker === undefined ? undefined : lineOf(waker);
  const x = scale.x + ((time - scale.from) * scale.width) / (scale.to - scale.from);
  if (line === undefined || x < scale.x || x > scale.x + scale.width) return;
  const [from, tall] = bandsOf(line, theme.rem).slices;
  context.strokeStyle = theme.stall;
  context.fillStyle = theme.stall;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, from + tall / 2);
  context.lineTo(x, y + height / 2);
  context.stroke();
  context.beginPath();
  context.arc(x, from + tall / 2, 0.2 * theme.rem, 0, 7);
  context.fill();
}
