/** Lines over the picture: the time where the pointer is, and how long what a drag encloses is. They cost no new picture. */
import { element } from "./dom.ts";

/** The part of the frame that is seen, in px. */
export type Seen = { top: number; height: number; left: number; right: number };

export class PointerMarks {
  readonly cursor = element("div", { className: "cursor", hidden: "", "aria-hidden": "true" });
  readonly selection = element("div", { className: "selection", hidden: "", "aria-hidden": "true" });
  readonly #time = element("span");
  readonly #span = element("span");

  constructor() {
    this.cursor.append(this.#time);
    this.selection.append(this.#span);
  }

  showCursor(x: number, time: string, seen: Seen): void {
    this.cursor.hidden = x < seen.left || x > seen.right;
    this.#time.textContent = time;
    // The text stays within the picture.
    this.cursor.classList.toggle("late", x > (seen.left + seen.right) / 2);
    place(this.cursor, x, 0, seen);
  }

  showSelection(from: number, to: number, span: string, seen: Seen): void {
    const [left, right] = [Math.max(seen.left, Math.min(from, to)), Math.min(seen.right, Math.max(from, to))];
    this.selection.hidden = false;
    this.#span.textContent = span;
    place(this.selection, left, Math.max(0, right - left), seen);
  }

  hide(): void {
    this.cursor.hidden = true;
    this.selection.hidden = true;
  }
}

function place({ style }: HTMLElement, left: number, width: number, { top, height }: Seen): void {
  style.left = `${left}px`;
  style.width = `${width}px`;
  style.top = `${top}px`;
  style.height = `${height}px`;
}
