/** Draws the rows that are in view, and what is chosen in them. */
import { type Scale, drawIntervals, drawTimes } from "./bands.ts";
import { waitBefore } from "./culprits.ts";
import { axisStep, axisText, taskText } from "./format.ts";
import { bandsOf, type Layout, type Line } from "./layout.ts";
import type { Model, Row } from "./model.ts";
import { type Theme, taskColours } from "./theme.ts";

/** What is chosen: an interval of a row, by its place. */
export type Chosen = { row: Row; of: "slices" | "interrupts" | "marks" | "losses" | "stalls"; index: number };

export type Scene = {
  model: Model;
  layout: Layout;
  theme: Theme;
  from: number;
  to: number;
  /** Of the rows above the picture, in px. */
  scrolled: number;
  width: number;
  height: number;
  ratio: number;
  chosen: Chosen | undefined;
  focused: Row | undefined;
  /** By machine, the tasks that a search found; undefined without one. */
  found: readonly ReadonlySet<number>[] | undefined;
};

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
    this.#drawChosen(context, scene, scale);
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
    const { row, machine, y, height } = line;
    context.textBaseline = "middle";
    if (row === undefined) {
      context.fillStyle = theme.band;
      context.fillRect(0, y, width, height);
      context.fillStyle = theme.text;
      context.font = `600 ${0.85 * rem}px ${theme.font}`;
      context.fillText(headingOf(machine), 0.5 * rem, y + height / 2);
      return;
    }
    const bands = bandsOf(line, rem);
    if (row === focused) {
      context.fillStyle = theme.band;
      context.fillRect(0, y, width, height);
    }
    context.fillStyle = theme.line;
    context.fillRect(0, y + height - 1, width, 1);
    context.save();
    context.beginPath();
    context.rect(scale.x, y, scale.width, height);
    context.clip();
    this.#drawRow(context, scene, scale, row, bands);
    context.restore();
    context.font = `${0.8 * rem}px ${theme.font}`;
    context.fillStyle = row === focused ? theme.accent : theme.dim;
    const room = Math.floor((layout.gutter - 0.8 * rem) / (0.43 * rem));
    const label = row.label.length <= room ? row.label : `${row.label.slice(0, room - 1)}…`;
    context.fillText(label, 0.5 * rem, bands.slices[0] + bands.slices[1] / 2);
  }

  #drawRow(
    context: CanvasRenderingContext2D,
    { theme, found }: Scene,
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
    const label = (index: number): string => taskText(machine, slices.task[index] ?? 0);
    const band = { y, height, colour: colourOf, label, ink: theme.text };
    if (wanted === undefined) drawIntervals(context, slices, scale, band);
    else {
      context.globalAlpha = 0.18;
      drawIntervals(context, slices, scale, { y, height, colour: colourOf });
      context.globalAlpha = 1;
      const colour = (index: number): string | undefined =>
        wanted.has(slices.task[index] ?? 0) ? colourOf(index) : undefined;
      drawIntervals(context, slices, scale, { ...band, colour, grows: false });
    }
    context.fillStyle = theme.mark;
    drawTimes(context, marks.time, scale, y - 0.1 * theme.rem, 0.2 * theme.rem);
    const [under, thin] = bands.interrupts;
    drawIntervals(context, interrupts, scale, { y: under, height: thin, colour: () => theme.interrupt });
    if (view === undefined) return;
    const [below, tall] = bands.view;
    // One above the other: in a pixel of a long time there are both.
    drawIntervals(context, view.runs, scale, { y: below, height: tall / 2, colour: () => theme.runs });
    drawIntervals(context, view.stalls, scale, { y: below + tall / 2, height: tall / 2, colour: () => theme.stall });
  }

  /** The chosen interval, and before a slice the wait that it ends, from its waker on. */
  #drawChosen(context: CanvasRenderingContext2D, { chosen, layout, theme }: Scene, scale: Scale): void {
    if (chosen === undefined) return;
    const { row, of, index } = chosen;
    const xOf = (time: number): number => scale.x + ((time - scale.from) * scale.width) / (scale.to - scale.from);
    const lineOf = (wanted: Row): Line | undefined => layout.lines.find((line) => line.row === wanted);
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
      box(wait.from, wait.to, y, theme.stall, this.#hatch);
      this.#drawWaker(context, theme, scale, row, index, wait.from, lineOf, y);
    }
    if (intervals !== undefined) box(intervals.start[index] ?? 0, intervals.end[index] ?? 0, band, theme.accent);
  }

  #drawWaker(
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
    clock === undefined ? "" : clock.slice(clock.indexOf(": ") + 2),
  ]
    .filter((text) => text !== "")
    .join("  ·  ");
}
