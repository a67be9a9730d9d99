/** `top` as text: a screen of any size, or one line. Knows nothing of terminals. */
import { lossCell } from "../../views/loss-text.ts";
import { hostLimits } from "../limits.ts";
import { foreignText } from "../../base/foreign-text.ts";
import type { CpuLoad, TaskLoad, TopView } from "./top-meter.ts";

export const taskOrders = ["cpu", "runs", "pid"] as const;
export type TaskOrder = (typeof taskOrders)[number];

export type ScreenLine = { text: string; style: "plain" | "bold" | "reverse" };

export type ScreenState = {
  title: string;
  order: TaskOrder;
  paused: boolean;
  /** Time since the guest's last answer, 0 while it answers. */
  silentMs: number;
  /** What a key did; until the next key. */
  message: string;
  /** "12.3 s of 110 s". */
  elapsed: string;
  /** The keys are explained instead of the tables. */
  help: boolean;
  /** There are other guests to go back to. */
  several?: boolean;
};

const cpuCellWidth = 38;
const barWidth = 10;
const eventNameWidth = 28;
const gap = "  ";

/** At most `rows` lines of at most `columns` characters. */
export function screenOf(view: TopView, state: ScreenState, columns: number, rows: number): ScreenLine[] {
  const plain = (text: string): ScreenLine => ({ text, style: "plain" });
  const bold = (text: string): ScreenLine => ({ text, style: "bold" });
  const silent =
    state.silentMs > hostLimits.statusSilentMs ? `  NO ANSWER FOR ${Math.round(state.silentMs / 1000)} s` : "";
  const elapsed = state.elapsed === "" ? "" : `  ${state.elapsed}`;
  const head = [
    bold(`${state.title}${elapsed}${state.paused ? "  PAUSED" : ""}${silent}`),
    plain(summary(view)),
    plain(waitLine(view)),
    plain(""),
  ];
  const cpus = cpuRows(view.cpus, columns, Math.max(1, Math.floor((rows - head.length - 1) / 2)));
  const left = Math.max(0, rows - head.length - cpus.length - 3);
  const wide = columns >= 72;
  const tasks = taskRows(view.tasks, state.order, left);
  const events = view.events
    .filter(({ perSecond }) => perSecond > 0)
    .map(
      ({ name, perSecond }) =>
        `${cut(foreignText(name), eventNameWidth).padEnd(eventNameWidth)} ${perSecond.toFixed(0).padStart(9)}`,
    );
  const eventWidth = eventNameWidth + 10;
  const tables = Array.from({ length: left }, (_, index) =>
    wide ? `${(events[index] ?? "").padEnd(eventWidth)}${gap}${tasks[index] ?? ""}` : (tasks[index] ?? ""),
  );
  const eventHead = `${"EVENT".padEnd(eventNameWidth)} ${"PER S".padStart(9)}`;
  const lines = [
    ...head,
    ...cpus.map(plain),
    plain(""),
    ...(state.help
      ? helpLines.map(plain)
      : [bold(wide ? `${eventHead}${gap}${taskHead}` : taskHead), ...tables.map(plain)]),
  ].slice(0, Math.max(0, rows - 1));
  while (lines.length < rows - 1) lines.push(plain(""));
  // The keys stay where they are: what was done is told above them.
  if (state.message !== "" && lines.length > 1) lines[lines.length - 1] = bold(state.message);
  lines.push({ text: footer(state, columns), style: "reverse" });
  return lines.map(({ text, style }) => ({ text: style === "reverse" ? text : cut(text, columns).trimEnd(), style }));
}

/** One line for a log. */
export function lineOf(view: TopView): string {
  const busy = view.cpus.map(({ busyShare }) => percent(busyShare).trim()).join(" ");
  const [busiest] = sortTasks(view.tasks, "cpu");
  const task =
    busiest === undefined || busiest.cpuShare === 0
      ? []
      : [`busiest ${foreignText(busiest.name)}-${busiest.pid} ${percent(busiest.cpuShare).trim()} %`];
  const wait = waitLine(view);
  return [`busy % ${busy}`, summary(view), ...task, ...(wait === "" ? [] : [wait])].join("  ");
}

export function summary({ eventsPerSecond, lostEvents, unknownLosses, wakeups, wakeupsPerSecond }: TopView): string {
  const lost = `lost ${lossCell({ lostEvents, unknownLosses })}`;
  const latencies =
    wakeups.count === 0
      ? ""
      : ` p50 ${duration(wakeups.percentile(0.5))} p99 ${duration(wakeups.percentile(0.99))} max ${duration(wakeups.max)}`;
  return [`events/s ${eventsPerSecond.toFixed(0)}`, lost, `wake-ups/s ${wakeupsPerSecond.toFixed(0)}${latencies}`].join(
    gap,
  );
}

/** Who waited longest lately, and who had the CPU meanwhile. */
export function waitLine({ longestWait }: TopView): string {
  if (longestWait === undefined) return "";
  const { task, start, end, cpu, ran } = longestWait;
  const [culprit] = ran;
  const nameOf = ({ pid, name }: { pid: number; name: string }): string =>
    pid === 0 ? "the idle task" : `${foreignText(name)}-${pid}`;
  const meanwhile = culprit === undefined ? "" : `: ${nameOf(culprit)} ran ${duration(culprit.ns)}`;
  return `longest wait ${duration(end - start)}, ${nameOf(task)} on CPU ${cpu}${meanwhile}`;
}

/** As many columns as fit; if not all CPUs fit, the busiest. */
function cpuRows(cpus: readonly CpuLoad[], columns: number, rows: number): string[] {
  const across = Math.max(
    1,
    Math.min(Math.floor((columns + gap.length) / (cpuCellWidth + gap.length)), Math.ceil(cpus.length / 2)),
  );
  let shown = [...cpus];
  let rest = "";
  if (shown.length > across * rows) {
    const busiest = new Set(
      [...cpus].sort((a, b) => (b.busyShare ?? 0) - (a.busyShare ?? 0)).slice(0, Math.max(1, across * (rows - 1))),
    );
    shown = cpus.filter((cpu) => busiest.has(cpu));
    rest = `and ${cpus.length - shown.length} CPUs that are less busy`;
  }
  const height = Math.ceil(shown.length / across);
  const width = Math.floor((columns + gap.length) / across) - gap.length;
  const lines = Array.from({ length: height }, (_, row) =>
    Array.from({ length: across }, (_, column) => shown[column * height + row])
      .map((cpu) => (cpu === undefined ? "" : cpuCell(cpu, width)).padEnd(width))
      .join(gap),
  );
  return rest === "" ? lines : [...lines, rest];
}

function cpuCell({ cpu, busyShare, running }: CpuLoad, width: number): string {
  return cut(`${String(cpu).padStart(4)} ${barOf(busyShare)} ${percent(busyShare)} % ${foreignText(running)}`, width);
}

export function barOf(busyShare: number | undefined): string {
  return "#".repeat(Math.round((busyShare ?? 0) * barWidth)).padEnd(barWidth, ".");
}

const taskHead = `${"%CPU".padStart(6)} ${"RUNS/S".padStart(8)} ${"PID".padStart(7)} TASK`;

function taskRows(tasks: readonly TaskLoad[], order: TaskOrder, count: number): string[] {
  return sortTasks(
    tasks.filter(({ cpuShare, runsPerSecond }) => cpuShare > 0 || runsPerSecond > 0),
    order,
  )
    .slice(0, count)
    .map(
      ({ pid, name, cpuShare, runsPerSecond }) =>
        `${percent(cpuShare).padStart(6)} ${runsPerSecond.toFixed(0).padStart(8)} ${String(pid).padStart(7)} ${foreignText(name)}`,
    );
}

function sortTasks(tasks: readonly TaskLoad[], order: TaskOrder): TaskLoad[] {
  const by: Record<TaskOrder, (a: TaskLoad, b: TaskLoad) => number> = {
    cpu: (a, b) => b.cpuShare - a.cpuShare,
    runs: (a, b) => b.runsPerSecond - a.runsPerSecond,
    pid: () => 0,
  };
  return [...tasks].sort((a, b) => by[order](a, b) || a.pid - b.pid);
}

export const helpLines = [
  "q  Ctrl-C      quit, and leave all as it was",
  "p  space       pause the screen; events are counted on",
  "s              sort the tasks by CPU time, by runs, by pid",
  "r              record the last seconds into a file, to report or export",
  "j k  up down   choose a guest of several; Enter shows it, a all of them",
  "h  ?           these keys",
];

function footer({ order, several }: ScreenState, columns: number): string {
  const back = several === true ? "  a all guests" : "";
  const keys = `q quit  p pause  s sort: ${order}  r record the last seconds${back}  h help`;
  return cut(keys, columns).padEnd(columns);
}

export function percent(share: number | undefined): string {
  return share === undefined ? "    -" : (share * 100).toFixed(1).padStart(5);
}

function duration(ns: number): string {
  if (ns < 1e3) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(1)} s`;
}

export function cut(text: string, width: number): string {
  return text.length <= width ? text : text.slice(0, width);
}
