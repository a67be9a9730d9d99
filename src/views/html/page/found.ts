/** Search for tasks by a part of their name or by their pid, and for interrupts and events by what they are called or say. */
import { countText } from "./format.ts";
import type { Model, Row } from "./model.ts";

/** What was found in a machine: numbers of tasks, of names of interrupts and events, of texts of events' fields. */
export type Found = { tasks: ReadonlySet<number>; names: ReadonlySet<number>; fields: ReadonlySet<number> };

/** By machine; undefined for an empty text. */
export function find({ machines }: Model, text: string): Found[] | undefined {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return undefined;
  const holds = (texts: readonly string[]): Set<number> =>
    new Set(texts.flatMap((one, number) => (one.toLowerCase().includes(wanted) ? [number] : [])));
  return machines.map(({ tasks, names, fieldTexts }) => ({
    tasks: new Set(
      tasks.flatMap(([pid, name], number) =>
        pid !== 0 && (String(pid) === wanted || `${name.toLowerCase()}-${pid}`.includes(wanted)) ? [number] : [],
      ),
    ),
    names: holds(names),
    fields: holds(fieldTexts),
  }));
}

export function isFoundMark({ marks }: Row, { names, fields }: Found, index: number): boolean {
  return names.has(marks.name[index] ?? -1) || fields.has(marks.fields[index] ?? -1);
}

/** Things of one kind in one row, by time. */
export type Sequence = {
  row: Row;
  of: "slices" | "interrupts" | "marks";
  times: Float64Array;
  has: (index: number) => boolean;
};

export function sequencesOf({ rows }: Model, found: readonly Found[]): Sequence[] {
  return rows.flatMap((row): Sequence[] => {
    const own = found[row.machine.number];
    if (own === undefined) return [];
    const { slices, interrupts, marks } = row;
    const all: Sequence[] = [];
    if (own.tasks.size > 0)
      all.push({ row, of: "slices", times: slices.start, has: (at) => own.tasks.has(slices.task[at] ?? -1) });
    if (own.names.size > 0)
      all.push({
        row,
        of: "interrupts",
        times: interrupts.start,
        has: (at) => own.names.has(interrupts.name[at] ?? -1),
      });
    if (own.names.size + own.fields.size > 0)
      all.push({ row, of: "marks", times: marks.time, has: (at) => isFoundMark(row, own, at) });
    return all;
  });
}

/** "3 tasks, 1,204 runs, 17 events". */
export function foundText(model: Model, found: readonly Found[]): string {
  const counts = { slices: 0, interrupts: 0, marks: 0 };
  for (const { of, times, has } of sequencesOf(model, found))
    for (let at = 0; at < times.length; at++) if (has(at)) counts[of]++;
  const tasks = found.reduce((sum, own) => sum + own.tasks.size, 0);
  const parts: [number, string][] = [
    [tasks, "tasks"],
    [counts.slices, "runs"],
    [counts.interrupts, "interrupts"],
    [counts.marks, "events"],
  ];
  const told = parts.flatMap(([count, what]) => (count === 0 ? [] : [`${countText(count)} ${what}`]));
  return told.length === 0 ? "none found" : told.join(", ");
}
