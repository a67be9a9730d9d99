/** Where the rows lie in the picture: each machine has a heading, each CPU a band of slices, a strip of interrupts, and a vCPU its host's view. */
import type { Machine, Model, Row } from "./model.ts";

/** In parts of the page's text size. */
const sizes = { axis: 1.75, heading: 1.75, row: 2.3, rowWithView: 2.75, marks: 0.3, slices: 1.3, gutter: 6 };

/** `rows`: of one CPU, one after the other where the machine was recorded several times; none: a heading. */
export type Line = { y: number; height: number; machine: Machine; rows: readonly Row[] };
export type Bands = {
  marks: [y: number, height: number];
  slices: [y: number, height: number];
  interrupts: [y: number, height: number];
  view: [y: number, height: number];
};
export type Layout = { lines: Line[]; height: number; axis: number; gutter: number; rem: number };

/** `width`: of the picture, of which the names get a part. */
export function layoutOf({ machines }: Model, rem: number, width: number): Layout {
  const lines: Line[] = [];
  let y = 0;
  const add = (height: number, machine: Machine, rows: readonly Row[]): void => {
    lines.push({ y, height: height * rem, machine, rows });
    y += height * rem;
  };
  for (const machine of machines) {
    if (machine.continues >= 0) continue;
    if (machines.length > 1 || machine.label !== "") add(sizes.heading, machine, []);
    for (const rows of lanesOf(machine, machines))
      add(rows.every(({ view }) => view === undefined) ? sizes.row : sizes.rowWithView, machine, rows);
  }
  const longest = Math.max(...lines.map(({ rows: [row] }) => row?.label.length ?? 0), 6);
  const gutter = Math.min(Math.max(sizes.gutter, longest * 0.48 + 1) * rem, width * 0.3);
  return { lines, height: y, axis: sizes.axis * rem, gutter, rem };
}

/** By CPU the rows of a machine and of its later recordings. */
export function lanesOf(machine: Machine, machines: readonly Machine[]): Row[][] {
  const lanes = new Map<string, Row[]>();
  for (const { lines } of machines.filter(({ number, continues }) => [number, continues].includes(machine.number)))
    for (const row of lines) {
      // A guest that was not recorded has rows of what its host did alone.
      const key = row.view?.host === row.machine ? row.label : `${row.cpu}`;
      lanes.set(key, [...(lanes.get(key) ?? []), row]);
    }
  return [...lanes.values()];
}

export function bandsOf({ y }: Line, rem: number): Bands {
  const marks = y + 0.1 * rem;
  const top = marks + sizes.marks * rem;
  const under = top + sizes.slices * rem;
  return {
    marks: [marks, (sizes.marks - 0.05) * rem],
    slices: [top, sizes.slices * rem],
    interrupts: [under + 0.1 * rem, 0.28 * rem],
    view: [under + 0.5 * rem, 0.38 * rem],
  };
}

/** The line at a height, -1 above the first. */
export function lineAt(lines: readonly Line[], y: number): Line | undefined {
  return lines.find((line) => y >= line.y && y < line.y + line.height);
}
