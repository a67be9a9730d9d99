/** Draws intervals that are wider than a pixel one by one, and of the others in each pixel how much of it they fill. */
import type { Intervals } from "./model.ts";
import { lowerBound, lowerBoundFrom } from "./search.ts";

export type Scale = { from: number; to: number; x: number; width: number; pixel: number };
/** `short`: where the whole has no room. */
type Label = { whole: string; short: string };
/** `colour`: undefined for one that is not drawn. `label`: of a wide one, written in `ink`. */
export type Band = {
  y: number;
  height: number;
  colour: (index: number) => string | undefined;
  label?: (index: number) => Label;
  ink?: string;
  /** Dense ones fill the height by their share of the time. */
  grows?: boolean;
};

/** Of those in a pixel so many are looked at for the longest, which gives it its colour. */
const looks = 12;

export function drawIntervals(
  context: CanvasRenderingContext2D,
  of: Intervals,
  { from, to, x, width, pixel }: Scale,
  { y, height, colour, label, ink, grows = true }: Band,
): void {
  const { count, start, end, busy } = of;
  const perNs = width / (to - from);
  const pixelNs = pixel / perNs;
  let last = "";
  const fill = (index: number, left: number, wide: number, share: number): void => {
    const fillStyle = colour(index);
    if (fillStyle === undefined) return;
    if (fillStyle !== last) context.fillStyle = last = fillStyle;
    const tall = Math.max(1, height * share);
    context.fillRect(left, y + height - tall, wide, tall);
  };
  const labels: [index: number, left: number, wide: number][] = [];
  // An interval that encloses others, and began before, is one of the few in front of the first.
  let at = Math.max(0, lowerBound(start, from, count) - 8);
  while (at < count) {
    const begin = start[at] ?? 0;
    if (begin >= to) break;
    const stop = end[at] ?? 0;
    if (stop < from) {
      at++;
      continue;
    }
    const left = x + (Math.max(begin, from) - from) * perNs;
    const wide = (Math.min(stop, to) - Math.max(begin, from)) * perNs;
    if (wide >= pixel) {
      fill(at, left, Math.max(pixel, wide - (wide > 4 * pixel ? pixel : 0)), 1);
      if (wide > height * 1.6 && colour(at) !== undefined) labels.push([at, left, wide]);
      at++;
      continue;
    }
    const column = Math.floor((left - x) / pixel);
    const columnEnd = from + (column + 1) * pixelNs;
    let next = lowerBoundFrom(start, columnEnd, at, count);
    next = Math.max(at + 1, next);
    // One that reaches far beyond the pixel is drawn for itself.
    if (next > at + 1 && (end[next - 1] ?? 0) - (start[next - 1] ?? 0) >= pixelNs) next--;
    let longest = at;
    // Of those that a search found none may be passed over.
    const stride = grows ? Math.max(1, Math.floor((next - at) / looks)) : 1;
    for (let look = at; look < next; look += stride) {
      const isLonger = (end[look] ?? 0) - (start[look] ?? 0) > (end[longest] ?? 0) - (start[longest] ?? 0);
      if (grows ? isLonger : colour(look) !== undefined && (isLonger || colour(longest) === undefined)) longest = look;
    }
    const share = grows ? Math.min(1, ((busy[next] ?? 0) - (busy[at] ?? 0)) / pixelNs) : 1;
    fill(longest, x + column * pixel, pixel, Math.max(0.12, share));
    at = next;
  }
  if (label === undefined || ink === undefined) return;
  context.fillStyle = ink;
  for (const [index, left, wide] of labels) drawLabel(context, label(index), left, wide, y, height);
}

function drawLabel(
  context: CanvasRenderingContext2D,
  label: Label,
  left: number,
  wide: number,
  y: number,
  height: number,
): void {
  const shown = fitting(context, label, wide - 0.4 * height);
  if (shown !== "") context.fillText(shown, left + 0.2 * height, y + height / 2);
}

function fitting(context: CanvasRenderingContext2D, { whole, short }: Label, room: number): string {
  if (widthOf(context, whole) <= room) return whole;
  const width = widthOf(context, short);
  if (width <= room) return short;
  const letters = Math.floor((short.length * room) / width) - 1;
  return letters < 1 ? "" : `${short.slice(0, letters)}…`;
}

/** Names come again in each picture. */
const widths = new Map<string, number>();
const widthsMax = 4_096;

function widthOf(context: CanvasRenderingContext2D, text: string): number {
  const key = `${context.font} ${text}`;
  const known = widths.get(key);
  if (known !== undefined) return known;
  if (widths.size >= widthsMax) widths.clear();
  const { width } = context.measureText(text);
  widths.set(key, width);
  return width;
}

/** A thin line at each time; one for all in a pixel. `has`: which of them. */
export function drawTimes(
  context: CanvasRenderingContext2D,
  times: Float64Array,
  { from, to, x, width, pixel }: Scale,
  { y, height }: Pick<Band, "y" | "height">,
  has?: (index: number) => boolean,
): void {
  const perNs = width / (to - from);
  const pixelNs = pixel / perNs;
  let at = lowerBound(times, from);
  while (at < times.length && (times[at] ?? 0) < to) {
    if (has?.(at) === false) {
      at++;
      continue;
    }
    const column = Math.floor((((times[at] ?? 0) - from) * perNs) / pixel);
    context.fillRect(x + column * pixel, y, pixel, height);
    at = Math.max(at + 1, lowerBoundFrom(times, from + (column + 1) * pixelNs, at, times.length));
  }
}
