/** Draws the rows that are in view, and what is chosen in them. */
import { type Scale, drawIntervals, drawTimes } from "./bands.ts";
import { drawChosen } from "./chosen-mark.ts";
import { isFoundMark } from "./found.ts";
import { axisStep, axisText, taskText } from "./format.ts";
import { bandsOf, type Line } from "./layout.ts";
import type { Model, Row } from "./model.ts";
import type { Scene } from "./scene.ts";
import { type Theme, taskColours } from "./theme.ts";

export class Picture {
  /** By machine, of the theme. */
  #colours: string[][] = [];
  #theme: Theme | undefined;
  #hatch: CanvasPattern | string = "";

  draw(context: CanvasRenderingContext2D, scene: Scene): void {
    const { theme, layout, width, height, ratio, scrolled, from, to } = scene;
    this.#prepare(context, scene);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = theme.ground;
    context.fillRect(0, 0, width, height);
    const scale = { from, to, x: layout.gutter, width: width - layout.gutter, pixel: 1 / ratio };
    context.save();
    context.beginPath();
    context.rect(0, layout.axis, width, height - layout.axis);
    context.clip();
    context.translate(0, layout.axis - scrolled);
    const inView = layout.lines.filter(({ y, height: tall }) => y + tall > scrolled && y < scrolled + height);
    this.#drawGrid(context, scene, scale);
    for (const line of inView) this.#drawLine(context, scene, scale, line);
    drawChosen(context, scene, scale, this.#hatch);
    context.restore();
    this.#drawAxis(context, scene, scale);
  }

  #prepare(context: CanvasRenderingContext2D, { model, theme }: Scene): void {
    if (this.#theme === theme) return;
    this.#theme = theme;
    this.#colours = model.machines.map((machine) => taskColours(machine, theme.isDark));
    const tile = document.createElement("canvas");
    [tile.width, tile.height] = [8, 8];
    const pen = tile.getContext("2d");
    if (pen === null) return;
    pen.strokeStyle = theme.loss;
    pen.lineWidth = 2;
    for (const shift of [-8, 0, 8]) {
      pen.beginPath();
      pen.moveTo(shift, 8);
      pen.lineTo(shift + 8, 0);
      pen.stroke();
    }
    this.#hatch = context.createPattern(tile, "repeat") ?? theme.loss;
  }

  #drawLine(context: CanvasRenderingContext2D, scene: Scene, scale: Scale, line: Line): void {
    const { theme, layout, width, focused } = scene;
    const { rem } = theme;
    const { rows, machine, y, height } = line;
    const [first] = rows;
    context.textBaseline = "middle";
    if (first === undefined) {
      context.fillStyle = theme.band;
      context.fillRect(0, y, width, height);
      context.fillStyle = theme.text;
      context.font = `600 ${0.85 * rem}px ${theme.font}`;
      context.fillText(headingOf(machine), 0.5 * rem, y + height / 2);
      return;
    }
    const isFocused = focused !== undefined && rows.includes(focused);
    const bands = bandsOf(line, rem);
    if (isFocused) {
      context.fillStyle = theme.band;
      context.fillRect(0, y, width, height);
    }
    context.fillStyle = theme.line;
    context.fillRect(0, y + height - 1, width, 1);
    context.save();
    context.beginPath();
    context.rect(scale.x, y, scale.width, height);
    context.clip();
    for (const [index, row] of rows.entries()) {
      const before = rows[index - 1];
      if (before !== undefined) drawPause(context, theme, scale, [before, row], bands.slices);
      this.#drawRow(context, scene, scale, row, bands);
    }
    context.restore();
    context.font = `${0.8 * rem}px ${theme.font}`;
    context.fillStyle = isFocused ? theme.accent : theme.dim;
    const room = Math.floor((layout.gutter - 0.8 * rem) / (0.43 * rem));
    const label = first.label.length <= room ? first.label : `${first.label.slice(0, room - 1)}…`;
    context.fillText(label, 0.5 * rem, bands.slices[0] + bands.slices[1] / 2);
  }

  #drawRow(
    context: CanvasRenderingContext2D,
    { theme, found, chosen }: Scene,
    scale: Scale,
    row: Row,
    bands: ReturnType<typeof bandsOf>,
  ): void {
    const { machine, slices, interrupts, marks, losses, view } = row;
    const colours = this.#colours[machine.number] ?? [];
    const wanted = found?.[machine.number];
    const [y, height] = bands.slices;
    for (let index = 0; index < losses.count; index++) {
      const [left, right] = [losses.start[index] ?? 0, losses.end[index] ?? 0].map(
        (time) => scale.x + ((time - scale.from) * scale.width) / (scale.to - scale.from),
      );
      if (left === undefined || right === undefined || right < scale.x || left > scale.x + scale.width) continue;
      context.fillStyle = this.#hatch;
      context.fillRect(left, y, Math.max(2, right - left), height);
    }
    context.font = `${0.72 * theme.rem}px ${theme.font}`;
    const colourOf = (index: number): string | undefined => colours[slices.task[index] ?? 0];
    const label = (index: number): { whole: string; short: string } => {
      const task = slices.task[index] ?? 0;
      return { whole: taskText(machine, task), short: machine.tasks[task]?.[1] ?? "" };
    };
    const band = { y, height, colour: colourOf, label, ink: theme.text };
    if (wanted === undefined) {
      drawIntervals(context, slices, scale, band);
      if (chosen?.of === "slices" && chosen.row.machine === machine) {
        const followed = chosen.row.slices.task[chosen.index];
        const colour = (index: number): string | undefined =>
          slices.task[index] === followed ? theme.accent : undefined;
        const strip = { y: y + height - 0.2 * theme.rem, height: 0.2 * theme.rem };
        drawIntervals(context, slices, scale, { ...strip, colour, grows: false });
      }
    } else {
      context.globalAlpha = 0.18;
      drawIntervals(context, slices, scale, { y, height, colour: colourOf });
      context.globalAlpha = 1;
      const colour = (index: number): string | undefined =>
        wanted.tasks.has(slices.task[index] ?? 0) ? colourOf(index) : undefined;
      drawIntervals(context, slices, scale, { ...band, colour, grows: false });
    }
    context.fillStyle = theme.mark;
    const [above, tick] = bands.marks;
    drawTimes(context, marks.time, scale, { y: above, height: tick });
    const [under, thin] = bands.interrupts;
    const strip = { y: under, height: thin, colour: () => theme.interrupt };
    if (wanted === undefined) drawIntervals(context, interrupts, scale, strip);
    else {
      context.fillStyle = theme.accent;
      drawTimes(context, marks.time, scale, { y: above, height: 2 * tick }, (index) => isFoundMark(row, wanted, index));
      context.globalAlpha = 0.25;
      drawIntervals(context, interrupts, scale, strip);
      context.globalAlpha = 1;
      const colour = (index: number): string | undefined =>
        wanted.names.has(interrupts.name[index] ?? -1) ? theme.interrupt : undefined;
      drawIntervals(context, interrupts, scale, { ...strip, colour, grows: false });
    }
    if (view === undefined) return;
    const [below, tall] = bands.view;
    // One above the other: in a pixel of a long time there are both.
    drawIntervals(context, view.runs, scale, { y: below, height: tall / 2, colour: () => theme.runs });
    drawIntervals(context, view.stalls, scale, { y: below + tall / 2, height: tall / 2, colour: () => theme.stall });
  }

  #drawGrid(context: CanvasRenderingContext2D, { theme, from, to, layout, model }: Scene, scale: Scale): void {
    context.fillStyle = theme.line;
    for (const { x } of ticks(scale, from, to, model.first, theme.rem)) context.fillRect(x, 0, 1, layout.height);
  }

  #drawAxis(context: CanvasRenderingContext2D, { theme, from, to, layout, model, width }: Scene, scale: Scale): void {
    context.fillStyle = theme.band;
    context.fillRect(0, 0, width, layout.axis);
    context.font = `${0.72 * theme.rem}px ${theme.font}`;
    context.textBaseline = "middle";
    for (const { x, text } of ticks(scale, from, to, model.first, theme.rem)) {
      context.fillStyle = theme.line;
      context.fillRect(x, 0, 1, layout.axis);
      context.fillStyle = theme.dim;
      context.fillText(text, x + 0.25 * theme.rem, layout.axis / 2);
    }
  }
}

/** Between two recordings of a machine nothing is known. */
function drawPause(
  context: CanvasRenderingContext2D,
  theme: Theme,
  { from, to, x, width }: Scale,
  [before, after]: [Row, Row],
  [y, height]: [number, number],
): void {
  const xOf = (time: number): number => x + ((time - from) * width) / (to - from);
  const [left, right] = [
    Math.max(x, xOf(before.machine.last ?? 0)),
    Math.min(x + width, xOf(after.machine.first ?? 0)),
  ];
  if (right <= left) return;
  context.fillStyle = theme.band;
  context.fillRect(left, y, right - left, height);
  if (right - left < 7 * theme.rem) return;
  context.font = `${0.72 * theme.rem}px ${theme.font}`;
  context.fillStyle = theme.dim;
  context.fillText("not recorded", left + 0.4 * theme.rem, y + height / 2);
}

function ticks(
  { x, width }: Scale,
  from: number,
  to: number,
  first: number,
  rem: number,
): { x: number; text: string }[] {
  const step = axisStep(((to - from) * 7 * rem) / Math.max(1, width));
  const all: { x: number; text: string }[] = [];
  for (let time = Math.ceil((from - first) / step) * step; time <= to - first; time += step)
    all.push({ x: x + ((time + first - from) * width) / (to - from), text: axisText(time, step) });
  return all;
}

function headingOf({ label, lines, guests, clock }: Model["machines"][number]): string {
  const what = guests.length > 0 && label !== "host" ? "host" : "";
  const name = label === "" ? "top-level buffer" : label;
  return [
    name,
    what,
    `${lines.filter(({ slices, view }) => view === undefined || slices.count > 0).length} CPUs`,
    // How that is known stands in the table of machines.
    clock === undefined ? "" : clock.slice(clock.indexOf(": ") + 2).replace(/ \(.*/, ""),
  ]
    .filter((text) => text !== "")
    .join("  ·  ");
}
