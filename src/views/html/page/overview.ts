/** The whole recording in one strip: how busy all CPUs were, where events were lost, and which part is in view. */
import { lanesOf } from "./layout.ts";
import type { Model, Row } from "./model.ts";
import { lowerBound } from "./search.ts";
import type { Theme } from "./theme.ts";
import type { TimeWindow } from "./time-window.ts";

export class Overview {
  readonly canvas: HTMLCanvasElement;
  readonly #rows: Row[];
  /** CPUs: a machine that was recorded several times has rows for each of these. */
  readonly #lanes: number;
  readonly #window: TimeWindow;
  #shares = new Float64Array(0);

  constructor(canvas: HTMLCanvasElement, { rows, machines }: Model, window: TimeWindow) {
    this.canvas = canvas;
    const lanes = machines.filter(({ continues }) => continues < 0).flatMap((machine) => lanesOf(machine, machines));
    this.#lanes = lanes.filter((lane) => lane.some(({ slices }) => slices.count > 0)).length;
    this.#rows = rows.filter(({ slices }) => slices.count > 0);
    this.#window = window;
    let held = false;
    canvas.addEventListener("pointerdown", (event) => {
      held = true;
      canvas.setPointerCapture(event.pointerId);
      this.#moveTo(event.offsetX);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held) this.#moveTo(event.offsetX);
    });
    canvas.addEventListener("pointerup", () => (held = false));
    canvas.addEventListener("pointercancel", () => (held = false));
  }

  draw(theme: Theme): void {
    const { canvas } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio))
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = canvas.getContext("2d");
    if (context === null || width === 0) return;
    if (this.#shares.length !== width) this.#measure(width);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = theme.band;
    context.fillRect(0, 0, width, height);
    context.fillStyle = theme.runs;
    for (let x = 0; x < width; x++) {
      const tall = (this.#shares[x] ?? 0) * (height - 4);
      context.fillRect(x, height - tall, 1, tall);
    }
    const { first, last, from, to, isWhole } = this.#window;
    const xOf = (time: number): number => ((time - first) / (last - first)) * width;
    context.fillStyle = theme.loss;
    for (const { losses } of this.#rows)
      for (let at = 0; at < losses.count; at++)
        context.fillRect(
          xOf(losses.start[at] ?? 0),
          0,
          Math.max(1, xOf(losses.end[at] ?? 0) - xOf(losses.start[at] ?? 0)),
          3,
        );
    if (isWhole) return;
    const [left, right] = [xOf(from), Math.max(xOf(from) + 3, xOf(to))];
    context.fillStyle = theme.ground;
    context.globalAlpha = 0.65;
    context.fillRect(0, 0, left, height);
    context.fillRect(right, 0, width - right, height);
    context.globalAlpha = 1;
    context.strokeStyle = theme.accent;
    context.lineWidth = 2;
    context.strokeRect(left, 1, right - left, height - 2);
  }

  #moveTo(x: number): void {
    const { first, last, span } = this.#window;
    const time = first + ((last - first) * x) / Math.max(1, this.canvas.clientWidth);
    this.#window.show(time - span / 2, time + span / 2);
  }

  /** By pixel the share of the time of all CPUs. */
  #measure(width: number): void {
    const { first, last } = this.#window;
    const shares = (this.#shares = new Float64Array(width));
    const step = (last - first) / width;
    for (const { slices } of this.#rows) {
      const { start, end, busy, count } = slices;
      const busyBefore = (time: number): number => {
        const next = lowerBound(start, time, count);
        const over = next === 0 ? 0 : Math.max(0, (end[next - 1] ?? 0) - time);
        return (busy[next] ?? 0) - over;
      };
      let before = busyBefore(first);
      for (let x = 0; x < width; x++) {
        const until = busyBefore(first + (x + 1) * step);
        shares[x] = (shares[x] ?? 0) + (until - before) / step / this.#lanes;
        before = until;
      }
    }
  }
}
