/**
 * The offsets of windows as straight lines: clocks drift evenly for long, and a line through many windows is nearer to the truth than
 * each of them. A line goes on as long as it passes well within the bound of each of its windows.
 */
import { timelineLimits } from "../limits.ts";
import { awayFrom, type Knot } from "./knots.ts";
import type { Placement } from "./placements.ts";

export type Point = { readonly at: number; readonly offset: number };

type Line = { readonly middle: number; readonly offset: number; readonly slope: number };

/** `jumps`: times at which no line goes on. Two points for each line, where it begins and ends. */
export function pointsOf(placements: readonly Placement[], jumps: readonly number[]): Point[] {
  const points: Point[] = [];
  for (let begin = 0; begin < placements.length;) {
    let end = begin + 1;
    while (end < placements.length && end - begin < timelineLimits.syncLineWindows) {
      if (jumps.some((time) => time > (placements[end - 1]?.at ?? 0) && time < (placements[end]?.at ?? 0))) break;
      const more = placements.slice(begin, end + 1);
      if (!passes(lineThrough(more), more)) break;
      end++;
    }
    const part = placements.slice(begin, end);
    const line = lineThrough(part);
    const [from, to] = [part[0]?.from ?? 0, part.at(-1)?.to ?? 0];
    points.push(...(to > from ? [from, to] : [from]).map((at) => ({ at, offset: valueAt(line, at) })));
    begin = end;
  }
  return points;
}

/** How far the truth may be from the lines between the points, anywhere in each placement. Both in order of time. */
export function boundsOf(points: readonly Point[], placements: readonly Placement[]): number[] {
  let index = 0;
  return placements.map(({ drift, parts }) => {
    let most = 0;
    for (const part of parts) {
      const [from, to] = [part.at - part.reach, part.at + part.reach];
      while (index + 2 < points.length && (points[index + 1]?.at ?? Infinity) <= from) index++;
      // Few parts lie along two lines.
      for (let piece = index; ; piece++) {
        const [begin, end] = [points[piece], points[piece + 1]];
        most = Math.max(
          most,
          awayFrom(within(part, begin, end, piece === index, piece + 2 >= points.length, drift), drift, (time) =>
            between(begin, end, time),
          ),
        );
        if (piece + 2 >= points.length || (end?.at ?? Infinity) >= to) break;
      }
    }
    return most;
  });
}

function between(from: Point | undefined, to: Point | undefined, at: number): number {
  if (from === undefined) return 0;
  if (to === undefined || to.at === from.at) return from.offset;
  return from.offset + ((at - from.at) / (to.at - from.at)) * (to.offset - from.offset);
}

/** By least squares; of a single window by the drift in it. */
function lineThrough(placements: readonly Placement[]): Line {
  const count = placements.length;
  const middle = placements.reduce((sum, { at }) => sum + at, 0) / count;
  const offset = placements.reduce((sum, one) => sum + one.offset, 0) / count;
  let [square, product] = [0, 0];
  for (const one of placements) {
    square += (one.at - middle) ** 2;
    product += (one.at - middle) * (one.offset - offset);
  }
  return { middle, offset, slope: square === 0 ? (placements[0]?.drift ?? 0) : product / square };
}

/** The share of a part that lies between two points; outside of all points the outer line goes on. */
function within(
  part: Knot,
  begin: Point | undefined,
  end: Point | undefined,
  isFirst: boolean,
  isLast: boolean,
  drift: number,
): Knot {
  const from = Math.max(part.at - part.reach, isFirst ? -Infinity : (begin?.at ?? -Infinity));
  const to = Math.min(part.at + part.reach, isLast ? Infinity : (end?.at ?? Infinity));
  const at = from + (to - from) / 2;
  const grown = drift * (at - part.at);
  return { at, reach: (to - from) / 2, low: part.low + grown, high: part.high + grown };
}

function passes(line: Line, placements: readonly Placement[]): boolean {
  const most = 1 + timelineLimits.syncLineMisfit;
  return placements.every(({ parts, drift, bound }) =>
    parts.every((part) => awayFrom(part, drift, (time) => valueAt(line, time)) <= bound * most),
  );
}

function valueAt({ middle, offset, slope }: Line, at: number): number {
  return offset + slope * (at - middle);
}
