/** The picture in its frame: what is in view and what is chosen, and how pointer and wheel change that. */
import { element } from "./dom.ts";
import { type Description, describe } from "./describe.ts";
import type { Found } from "./found.ts";
import { hitAt, timesOf } from "./hit.ts";
import { type Layout, layoutOf } from "./layout.ts";
import type { Model, Row } from "./model.ts";
import { Overview } from "./overview.ts";
import { Picture } from "./picture.ts";
import type { Chosen } from "./scene.ts";
import { durationText, timeText } from "./format.ts";
import { PointerMarks, type Seen } from "./pointer-marks.ts";
import { type Theme, readTheme } from "./theme.ts";
import { TimeWindow } from "./time-window.ts";

const [dragFromPx, reachPx] = [4, 4];
/** A turn of the wheel by so many px shows twice or half as much. */
const wheelPx = 400;

export class Stage {
  readonly frame: HTMLElement;
  readonly overview: HTMLCanvasElement;
  readonly window: TimeWindow;
  readonly model: Model;
  chosen: Chosen | undefined;
  focused: Row | undefined;
  found: readonly Found[] | undefined;
  /** Called when another thing is chosen, and when other times are in view. */
  onChosen: (description: Description | undefined) => void = () => {};
  onView: () => void = () => {};
  readonly #canvas = element("canvas", { "aria-hidden": "true" });
  readonly #spacer = element("div");
  readonly #marks = new PointerMarks();
  readonly #tip = element("div", { className: "tip", hidden: "" });
  readonly #overview: Overview;
  readonly #picture = new Picture();
  #theme: Theme = readTheme();
  #layout: Layout;
  #isDrawn = false;
  #pointers = new Map<number, { x: number; y: number }>();
  #drag: { x: number; from: number; to: number; moved: boolean; selects: boolean } | undefined;

  constructor(model: Model) {
    this.model = model;
    this.window = new TimeWindow(model.first, model.last, () => {
      this.redraw();
      this.onView();
    });
    this.frame = element(
      "div",
      { className: "stage", tabindex: "0", role: "application", "aria-label": "Timeline", "aria-describedby": "keys" },
      this.#canvas,
      this.#spacer,
      this.#marks.cursor,
      this.#marks.selection,
      this.#tip,
    );
    this.overview = element("canvas", { className: "overview", "aria-hidden": "true" });
    this.#overview = new Overview(this.overview, model, this.window);
    this.#layout = layoutOf(model, this.#theme.rem, 1);
    this.#listen();
  }

  /** Whom the chosen one waited for most. */
  get culprit(): Chosen | undefined {
    return this.chosen === undefined ? undefined : describe(this.chosen, this.epoch).places[0]?.list[0]?.chosen;
  }

  get epoch(): string {
    return this.model.head.epoch;
  }

  /** Soon: many changes in one picture. */
  redraw(): void {
    if (this.#isDrawn) return;
    this.#isDrawn = true;
    requestAnimationFrame(() => {
      this.#isDrawn = false;
      this.#draw();
    });
  }

  resize(): void {
    this.#theme = readTheme();
    this.#layout = layoutOf(this.model, this.#theme.rem, this.frame.clientWidth);
    const { height, axis } = this.#layout;
    const tall = Math.min(height + axis, Math.max(10 * this.#theme.rem, innerHeight * 0.62));
    this.frame.style.height = `${tall}px`;
    this.#canvas.style.height = `${tall}px`;
    this.#spacer.style.height = `${Math.max(0, height + axis - tall)}px`;
    this.#draw();
  }

  choose(chosen: Chosen | undefined): void {
    this.chosen = chosen;
    if (chosen !== undefined) this.focused = chosen.row;
    this.onChosen(chosen === undefined ? undefined : describe(chosen, this.epoch));
    this.redraw();
  }

  /** Chooses it, and shows it with what came before: `from` may be earlier than its begin. */
  goTo(chosen: Chosen, from = timesOf(chosen).from): void {
    this.choose(chosen);
    const { to } = timesOf(chosen);
    const isInView = from >= this.window.from && to <= this.window.to && to - from > this.window.span / 20;
    if (!isInView) this.window.showAround(from, to);
    this.#showRow(chosen.row);
  }

  /** The same CPU's row of the recording before or after. */
  beside(row: Row, step: number): Row | undefined {
    const lane = this.#layout.lines.find(({ rows }) => rows.includes(row))?.rows ?? [];
    return lane[lane.indexOf(row) + step];
  }

  #showRow(row: Row): void {
    const line = this.#layout.lines.find(({ rows }) => rows.includes(row));
    if (line === undefined) return;
    const { frame } = this;
    const room = frame.clientHeight - this.#layout.axis;
    if (line.y < frame.scrollTop) frame.scrollTop = line.y - this.#layout.rem;
    else if (line.y + line.height > frame.scrollTop + room)
      frame.scrollTop = line.y + line.height - room + this.#layout.rem;
    this.redraw();
  }

  focusRow(step: number): void {
    const lanes = this.#layout.lines.flatMap(({ rows }) => (rows.length > 0 ? [rows] : []));
    const { focused } = this;
    const at =
      focused === undefined ? (step > 0 ? -1 : lanes.length) : lanes.findIndex((lane) => lane.includes(focused));
    const lane = lanes[Math.min(lanes.length - 1, Math.max(0, at + step))] ?? [];
    // Of several recordings the one that is in view.
    this.focused = lane.find(({ machine }) => (machine.last ?? 0) >= this.window.from) ?? lane.at(-1);
    if (this.focused !== undefined) this.#showRow(this.focused);
  }

  #draw(): void {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const context = this.#canvas.getContext("2d", { alpha: false });
    if (context === null || width === 0) return;
    const ratio = devicePixelRatio;
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== wide || this.#canvas.height !== tall)
      [this.#canvas.width, this.#canvas.height] = [wide, tall];
    const { model, window: times, chosen, focused, found } = this;
    const { from, to } = times;
    const view = { from, to, scrolled: this.frame.scrollTop, width, height, ratio };
    this.#picture.draw(context, { model, layout: this.#layout, theme: this.#theme, ...view, chosen, focused, found });
    this.#overview.draw(this.#theme);
  }

  #timeAt(x: number): number {
    const { gutter } = this.#layout;
    const width = Math.max(1, this.frame.clientWidth - gutter);
    return this.window.from + ((x - gutter) * this.window.span) / width;
  }

  get #seen(): Seen {
    const { scrollTop: top, clientHeight: height, clientWidth: right } = this.frame;
    return { top, height, left: this.#layout.gutter, right };
  }

  #perPx(): number {
    return this.window.span / Math.max(1, this.frame.clientWidth - this.#layout.gutter);
  }

  #hit(x: number, y: number): Chosen | undefined {
    if (x < this.#layout.gutter || y < this.#layout.axis) return undefined;
    const down = y - this.#layout.axis + this.frame.scrollTop;
    return hitAt(this.#layout, down, this.#timeAt(x), reachPx * this.#perPx());
  }

  #place(event: MouseEvent): { x: number; y: number } {
    const box = this.frame.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #listen(): void {
    const { frame } = this;
    frame.addEventListener("scroll", () => this.redraw());
    frame.addEventListener("wheel", (event) => this.#turn(event), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.#press(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    frame.addEventListener("pointerup", (event) => this.#release(event));
    frame.addEventListener("pointercancel", (event) => this.#pointers.delete(event.pointerId));
    frame.addEventListener("pointerleave", () => {
      this.#tip.hidden = true;
      this.#marks.hide();
    });
    frame.addEventListener("dblclick", () => this.chosen !== undefined && this.#showChosen());
    new ResizeObserver(() => this.resize()).observe(frame.parentElement ?? document.body);
    new ResizeObserver(() => this.resize()).observe(frame);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
  }

  #showChosen(): void {
    if (this.chosen === undefined) return;
    const { from, to } = timesOf(this.chosen);
    this.window.showAround(from, to);
  }

  /** With Ctrl it zooms where the pointer is; sideways, or with Shift, it moves; else the page scrolls. */
  #turn(event: WheelEvent): void {
    const unit = event.deltaMode === 0 ? 1 : 30;
    const { x } = this.#place(event);
    if (event.ctrlKey || event.metaKey) this.window.zoom(2 ** ((event.deltaY * unit) / wheelPx), this.#timeAt(x));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
      this.window.pan((event.deltaX || event.deltaY) * unit * this.#perPx());
    else return;
    event.preventDefault();
  }

  #press(event: PointerEvent): void {
    if (event.button !== 0) return;
    const { x, y } = this.#place(event);
    this.#pointers.set(event.pointerId, { x, y });
    const { from, to } = this.window;
    this.#drag = { x, from, to, moved: false, selects: y < this.#layout.axis || event.shiftKey };
  }

  #move(event: PointerEvent): void {
    const { x, y } = this.#place(event);
    const pointer = this.#pointers.get(event.pointerId);
    const drag = this.#drag;
    this.#marks.showCursor(x, `${timeText(this.epoch, this.#timeAt(x))} s`, this.#seen);
    if (pointer === undefined || drag === undefined) {
      this.#showTip(x, y);
      return;
    }
    if (this.#pointers.size === 2) this.#pinch(event.pointerId, x);
    this.#pointers.set(event.pointerId, { x, y });
    if (this.#pointers.size > 1) return;
    if (!drag.moved && Math.abs(x - drag.x) < dragFromPx) return;
    if (!drag.moved) this.frame.setPointerCapture(event.pointerId);
    drag.moved = true;
    this.#tip.hidden = true;
    if (drag.selects) {
      const ns = Math.abs(this.#timeAt(x) - this.#timeAt(drag.x));
      this.#marks.showSelection(drag.x, x, durationText(ns), this.#seen);
      return;
    }
    const perPx = (drag.to - drag.from) / Math.max(1, this.frame.clientWidth - this.#layout.gutter);
    const span = drag.to - drag.from;
    const { first, last } = this.window;
    const from = Math.min(Math.max(first, drag.from - (x - drag.x) * perPx), last - span);
    this.window.show(from, from + span);
  }

  /** Two fingers: what is between them grows with their distance. */
  #pinch(id: number, x: number): void {
    const other = [...this.#pointers].find(([pointer]) => pointer !== id);
    const before = this.#pointers.get(id);
    if (other === undefined || before === undefined) return;
    const distance = (at: number): number => Math.max(8, Math.abs(at - other[1].x));
    this.window.zoom(distance(before.x) / distance(x), this.#timeAt((x + other[1].x) / 2));
  }

  #release(event: PointerEvent): void {
    const { x, y } = this.#place(event);
    this.#pointers.delete(event.pointerId);
    const drag = this.#drag;
    this.#drag = undefined;
    this.#marks.selection.hidden = true;
    if (drag === undefined) return;
    if (!drag.moved) this.choose(this.#hit(x, y));
    else if (drag.selects) this.window.show(...inOrder(this.#timeAt(drag.x), this.#timeAt(x)));
  }

  #showTip(x: number, y: number): void {
    const hit = this.#hit(x, y);
    this.#tip.hidden = hit === undefined;
    this.frame.style.cursor = hit === undefined ? "" : "pointer";
    if (hit === undefined) return;
    const { title, facts, places } = describe(hit, this.epoch);
    const [culprits] = places;
    const [worst] = culprits?.list ?? [];
    const lines = facts.map(({ name, text }) => element("div", {}, element("span", {}, `${name} `), text));
    if (worst !== undefined)
      lines.push(element("div", {}, element("span", {}, `${culprits?.title ?? ""} `), `${worst.text} ${worst.note}`));
    this.#tip.replaceChildren(element("strong", {}, title), ...lines);
    const { offsetWidth: wide, offsetHeight: tall } = this.#tip;
    const { clientWidth, clientHeight, scrollTop } = this.frame;
    const left = x + 14 + wide > clientWidth ? Math.max(0, x - wide - 14) : x + 14;
    const top = y + 14 + tall > clientHeight ? Math.max(0, y - tall - 8) : y + 14;
    this.#tip.style.left = `${left}px`;
    this.#tip.style.top = `${top + scrollTop}px`;
  }
}

function inOrder(a: number, b: number): [number, number] {
  return a < b ? [a, b] : [b, a];
}
