/** What the figures of a recording say, as lists and tables. What is named in them can be gone to. */
import type { Latencies } from "../page-data.ts";
import { button, type Cell, element, section, tableOf } from "./dom.ts";
import { countText, durationText, percentText, timeText } from "./format.ts";
import type { Machine } from "./model.ts";
import { intervalAt } from "./search.ts";
import type { Stage } from "./stage.ts";
import { goTo, stallSection, waitList } from "./wait-lists.ts";

const tasksShown = 40;

/** Sections of a machine; `named`: its name stands in their titles. */
export function machineSections(
  stage: Stage,
  machine: Machine,
  isNamed: boolean,
  search: (text: string) => void,
): HTMLElement[] {
  const of = isNamed ? ` — ${machine.label || "top-level buffer"}${whichOf(stage, machine)}` : "";
  const { scheduling, guests = [], kinds, cpus } = machine.summary;
  const made: HTMLElement[] = [];
  for (const guest of guests)
    if (guest.longestStalls.length > 0) made.push(stallSection(stage, machine, guest.guest, guest.longestStalls));
  if (scheduling !== null) {
    const { longestWoken, longestPreempted, woken, preempted, leftOut } = scheduling;
    const left =
      leftOut > 0
        ? [
            element(
              "p",
              { className: "dim" },
              `Left out, since a loss or a switch that was not recorded cut them: ${countText(leftOut)}.`,
            ),
          ]
        : [];
    if (longestWoken.length > 0)
      made.push(
        section(
          `Longest wake-up latencies${of}`,
          histogram(woken, "woken, until it ran"),
          waitList(stage, machine, longestWoken),
          ...left,
        ),
      );
    if (longestPreempted.length > 0)
      made.push(
        section(
          `Longest waits after a preemption${of}`,
          histogram(preempted, "preempted, until it ran again"),
          waitList(stage, machine, longestPreempted),
        ),
      );
    if (scheduling.tasks.length > 0) made.push(section(`Busiest tasks${of}`, taskTable(machine, search)));
    if (scheduling.interrupts.length > 0) made.push(section(`Interrupts${of}`, interruptTable(stage, machine)));
  }
  made.push(section(`CPUs and events${of}`, cpuTable(cpus), ...(kinds.length > 0 ? [kindTable(kinds)] : [])));
  return made;
}

/** Of several recordings of a machine: which. */
function whichOf({ model: { machines }, epoch }: Stage, { number, continues, first }: Machine): string {
  const isOne = continues < 0 && machines.every((other) => other.continues !== number);
  return isOne || first === null ? "" : `, from ${timeText(epoch, first).slice(0, -6)} s on`;
}

function histogram({ count, p50Ns, p99Ns, maxNs, histogram: classes }: Latencies, what: string): HTMLElement {
  const most = Math.max(...classes.map((one) => one.count), 1);
  const bars = classes.map(({ fromNs, toNs, count: own }) => {
    const bar = element("span", { title: `${durationText(fromNs)} to ${durationText(toNs)}: ${countText(own)}` });
    bar.style.height = `${Math.max(own > 0 ? 4 : 0, (100 * Math.sqrt(own)) / Math.sqrt(most))}%`;
    return bar;
  });
  const [first, last] = [classes[0], classes.at(-1)];
  const ends = element(
    "div",
    { className: "ends" },
    element("span", {}, durationText(first?.fromNs ?? 0)),
    element("span", {}, durationText(last?.toNs ?? 0)),
  );
  const text = `${countText(count)} ${what}: half within ${durationText(p50Ns)}, 99 % within ${durationText(p99Ns)}, longest ${durationText(maxNs)}`;
  return element(
    "figure",
    {},
    element("figcaption", {}, text),
    element("div", { className: "bars", "aria-hidden": "true" }, ...bars),
    ends,
  );
}

function taskTable({ summary, first, last, lines }: Machine, search: (text: string) => void): HTMLElement {
  const all = (summary.scheduling?.tasks ?? []).toSorted((a, b) => b.runNs - a.runNs);
  const whole = Math.max(1, ((last ?? 0) - (first ?? 0)) * lines.length);
  const rows = all
    .slice(0, tasksShown)
    .map(({ pid, comm, runNs, waitNs, sleepNs, blockedNs, runs, maxWaitNs }): Cell[] => [
      button(`${comm}-${pid}`, () => search(`${comm}-${pid}`), { title: "find in the timeline" }),
      { text: durationText(runNs), number: true },
      { text: percentText(runNs / whole), number: true, share: runNs / whole },
      { text: countText(runs), number: true },
      { text: durationText(waitNs), number: true },
      { text: durationText(maxWaitNs), number: true },
      { text: durationText(sleepNs + blockedNs), number: true },
    ]);
  const title =
    all.length > tasksShown
      ? `The ${tasksShown} of ${countText(all.length)} tasks that ran longest`
      : "Tasks by the time that they ran";
  return tableOf(title, ["task", "ran", "of all CPUs", "times", "waited", "longest wait", "slept"], rows);
}

function interruptTable(stage: Stage, machine: Machine): HTMLElement {
  const { interrupts = [], longestInterrupts = [] } = machine.summary.scheduling ?? {};
  const longestBy = new Map(longestInterrupts.toReversed().map((one) => [one.interrupt, one]));
  const rows = interrupts
    .toSorted((a, b) => b.totalNs - a.totalNs)
    .slice(0, tasksShown)
    .map(({ interrupt, count, totalNs, maxNs }): Cell[] => {
      const longest = longestBy.get(interrupt);
      const row = machine.lines.find(({ cpu }) => cpu === longest?.cpu);
      const index =
        row === undefined || longest === undefined ? -1 : intervalAt(row.interrupts, longest.from + longest.ns / 2, 0);
      const most = durationText(maxNs);
      const go =
        row === undefined || index < 0
          ? most
          : button(most, () => goTo(stage, { row, of: "interrupts", index }, longest?.from ?? 0));
      return [
        interrupt,
        { text: countText(count), number: true },
        { text: durationText(totalNs), number: true },
        { text: durationText(totalNs / Math.max(1, count)), number: true },
        { text: go, number: true },
      ];
    });
  return tableOf(
    "Interrupt handlers, softirqs and vectors by the time in them",
    ["interrupt", "times", "in all", "on average", "longest"],
    rows,
  );
}

function cpuTable(cpus: Machine["summary"]["cpus"]): HTMLElement {
  const rows = cpus.map(({ cpu, events, lost, lostUncounted, busyNs, watchedNs }): Cell[] => {
    const share = busyNs === null || watchedNs === null || watchedNs === 0 ? undefined : busyNs / watchedNs;
    return [
      `CPU ${cpu}`,
      share === undefined ? "-" : { text: percentText(share), number: true, share },
      { text: countText(events), number: true },
      { text: lostText(lost, lostUncounted), number: true },
    ];
  });
  return tableOf("CPUs", ["CPU", "busy", "events", "lost"], rows);
}

export function lostText(lost: number, uncounted: number): string {
  if (uncounted === 0) return countText(lost);
  return lost === 0 ? "an unknown number" : `${countText(lost)} and an unknown number`;
}

function kindTable(kinds: Machine["summary"]["kinds"]): HTMLElement {
  const rows = kinds.map(({ system, event, count }): Cell[] => [
    system === null ? "(unknown)" : `${system}:${event}`,
    { text: countText(count), number: true },
  ]);
  return tableOf("Events by kind", ["event", "count"], rows);
}
