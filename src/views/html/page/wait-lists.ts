/** Lists of the longest waits and stalls: each names who ran meanwhile, and a click goes there. */
import type { LongWaitRow, RanTask, StallRow } from "../page-data.ts";
import { button, type Child, element, section } from "./dom.ts";
import { countText, durationText, timeText } from "./format.ts";
import type { Machine, Row } from "./model.ts";
import type { Chosen } from "./scene.ts";
import { intervalAt, lowerBound } from "./search.ts";
import type { Stage } from "./stage.ts";

const [rowsAtFirst, culpritsShown] = [6, 3];

export function waitList(stage: Stage, machine: Machine, waits: readonly LongWaitRow[]): HTMLElement {
  return listOf(
    waits.map(({ pid, comm, cause, from, waitNs, ended, cpu, waker, interruptsNs, ...rest }) => {
      const row = machine.lines.find((line) => line.cpu === cpu);
      const own = row === undefined ? undefined : sliceAt(row, from + waitNs);
      const head = goButton(stage, `${ended ? "" : "> "}${durationText(waitNs)}`, `${comm}-${pid}`, own, from);
      const by = waker === null ? "" : `, ${cause === "new" ? "made" : "woken"} by ${wakerText(waker)}`;
      const where = element("span", { className: "dim" }, ` on CPU ${cpu} at ${timeText(stage.epoch, from)} s${by}`);
      const ran = { ran: rest.meanwhile, othersNs: rest.othersNs };
      const others = culprits(stage, machine, row, ran, from, from + waitNs);
      const interrupts = interruptsNs > 0 ? ` (of that ${durationText(interruptsNs)} in interrupts)` : "";
      const unknown = rest.meanwhileKnown ? "" : ", the rest is not known";
      const what = others.length === 0 ? [] : [element("div", {}, "meanwhile ", ...others, interrupts, unknown)];
      return element("li", {}, head, where, ...what);
    }),
  );
}

function wakerText({ comm, pid, interrupt }: NonNullable<LongWaitRow["waker"]>): string {
  return `${interrupt === null ? "" : `${interrupt} over `}${pid === 0 ? "idle" : `${comm}-${pid}`}`;
}

export function stallSection(stage: Stage, host: Machine, guest: string, stalls: readonly StallRow[]): HTMLElement {
  const own = stage.model.machines[host.guests.find(({ name }) => name === guest)?.machine ?? -1];
  const items = stalls.map(({ vcpus, cause, from, ns, ended, cpu, meanwhile, inside, insideCount }) => {
    const row = (own ?? host).lines.find((line) => line.view?.host === host && vcpus.includes(line.cpu));
    const index = row?.view === undefined ? -1 : intervalAt(row.view.stalls, from + ns / 2, ns / 2);
    const chosen: Chosen | undefined = row === undefined || index < 0 ? undefined : { row, of: "stalls", index };
    const head = goButton(stage, `${ended ? "" : "> "}${durationText(ns)}`, `vCPU ${vcpus.join(", ")}`, chosen, from);
    const how = cause === "preempted" ? "was preempted" : "was woken";
    const where = element("span", { className: "dim" }, ` ${how} at ${timeText(stage.epoch, from)} s`);
    const hostRow = host.lines.find((line) => line.view === undefined && line.cpu === cpu);
    const others = culprits(stage, host, hostRow, { ran: meanwhile, othersNs: 0 }, from, from + ns);
    const delayed = inside.map(({ pid, comm, latencyNs, stalledNs }) => {
      const text = `inside, ${comm}-${pid} waited ${durationText(latencyNs)}, ${durationText(stalledNs)} of it for this`;
      return element("div", { className: "dim" }, text);
    });
    const more = insideCount - inside.length;
    if (more > 0) delayed.push(element("div", { className: "dim" }, `and ${countText(more)} more inside`));
    const what = others.length === 0 ? [] : [element("div", {}, `meanwhile the host's CPU ${cpu} ran `, ...others)];
    return element("li", {}, head, where, ...what, ...delayed);
  });
  const about = "A vCPU could run, and did not: the host ran something else on its CPU.";
  return section(`When ${guest} was delayed by its host`, element("p", { className: "dim" }, about), listOf(items));
}

export function goTo(stage: Stage, chosen: Chosen, from: number): void {
  stage.goTo(chosen, from);
  stage.frame.scrollIntoView({ block: "nearest" });
  stage.frame.focus({ preventScroll: true });
}

function goButton(stage: Stage, strong: string, text: string, chosen: Chosen | undefined, from: number): HTMLElement {
  const head = element("strong", {}, `${strong} `);
  if (chosen === undefined) return element("span", {}, head, text);
  const made = button(head, () => goTo(stage, chosen, from));
  made.append(text);
  return made;
}

/** Those that ran meanwhile, the longest first. */
function culprits(
  stage: Stage,
  machine: Machine,
  row: Row | undefined,
  { ran, othersNs }: { ran: readonly RanTask[]; othersNs: number },
  from: number,
  to: number,
): Child[] {
  const shown = ran.slice(0, culpritsShown).flatMap((other, index) => {
    const text = `${other.pid === 0 ? "idle" : `${other.comm}-${other.pid}`} ${durationText(other.ns)}`;
    const place = row === undefined || other.pid === 0 ? undefined : longestOf(machine, row, other.pid, from, to);
    const made =
      place === undefined
        ? text
        : button(text, () => goTo(stage, place, from), { className: "culprit", title: "go there" });
    return index === 0 ? [made] : [" ", made];
  });
  const others = ran.slice(culpritsShown);
  const rest = others.reduce((sum, { ns }) => sum + ns, othersNs);
  return rest === 0 ? shown : [...shown, ` and others ${durationText(rest)}`];
}

/** A list of which the first are shown, and the others when they are asked for. */
function listOf(items: readonly HTMLElement[]): HTMLElement {
  const list = element("ol", { className: "waits" }, ...items.slice(0, rowsAtFirst));
  const rest = items.slice(rowsAtFirst);
  if (rest.length === 0) return list;
  const more = button(`${rest.length} more`, () => {
    list.append(...rest);
    more.remove();
  });
  return element("div", {}, list, more);
}

function sliceAt(row: Row, start: number): Chosen | undefined {
  const index = lowerBound(row.slices.start, start - 1, row.slices.count);
  return Math.abs((row.slices.start[index] ?? Infinity) - start) <= 1 ? { row, of: "slices", index } : undefined;
}

/** The longest slice of a task between two times. */
function longestOf(machine: Machine, row: Row, pid: number, from: number, to: number): Chosen | undefined {
  const { start, end, task, count } = row.slices;
  let [best, longest] = [-1, 0];
  for (let at = Math.max(0, lowerBound(start, from, count) - 1); at < count && (start[at] ?? 0) < to; at++) {
    const ns = Math.min(to, end[at] ?? 0) - Math.max(from, start[at] ?? 0);
    if (machine.tasks[task[at] ?? 0]?.[0] === pid && ns > longest) [best, longest] = [at, ns];
  }
  return best < 0 ? undefined : { row, of: "slices", index: best };
}
