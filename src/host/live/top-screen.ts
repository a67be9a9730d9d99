/** `top` as text: a screen of any size, or one line. Nothing here knows a terminal. */
import type { CpuLoad, TaskLoad, TopView } from "./top-meter.ts";

export const taskOrders = ["cpu", "runs", "pid"] as const;
export type TaskOrder = (typeof taskOrders)[number];

export type ScreenLine = { text: string; style: "plain" | "bold" | "reverse" };

export type ScreenState = { title: string; order: TaskOrder; paused: boolean; message: string };

const cpuCellWidth = 38;
const barWidth = 10;
const eventNameWidth = 28;
const gap = "  ";

/** At most `rows` lines of at most `columns` characters. */
export function screenOf(view: TopView, state: ScreenState, columns: number, rows: number): ScreenLine[] {
  const plain = (text: string): ScreenLine => ({ text, style: "plain" });
  const bold = (text: string): ScreenLine => ({ text, style: "bold" });
  const head = [bold(`${state.title}${state.paused ? "  PAUSED" : ""}`), plain(summary(view)), plain("")];
  const cpus = cpuRows(view.cpus, columns, Math.max(1, Math.floor((rows - head.length - 1) / 2)));
  const left = Math.max(0, rows - head.length - cpus.length - 3);
  const wide = columns >= 72;
  const tasks = taskRows(view.tasks, state.order, left);
  const events = view.events.filter(({ perSecond }) => perSecond > 0).map(({ name, perSecond }) => `${cut(name, eventNameWidth).padEnd(eventNameWidth)} ${perSecond.toFixed(0).padStart(9)}`);
  const eventWidth = eventNameWidth + 10;
  const tables = Array.from({ length: left }, (_, index) => (wide ? `${(events[index] ?? "").padEnd(eventWidth)}${gap}${tasks[index] ?? ""}` : (tasks[index] ?? "")));
  const eventHead = `${"EVENT".padEnd(eventNameWidth)} ${"PER S".padStart(9)}`;
  const lines = [
    ...head,
    ...cpus.map(plain),
    plain(""),
    bold(wide ? `${eventHead}${gap}${taskHead}` : taskHead),
    ...tables.map(plain),
  ].slice(0, Math.max(0, rows - 1));
  lines.push({ text: footer(state, columns), style: "reverse" });
  return lines.map(({ text, style }) => ({ text: style === "reverse" ? text : cut(text, columns).trimEnd(), style }));
}

/** One line for a log. */
export function lineOf(view: TopView): string {
  const busy = view.cpus.map(({ busyShare }) => percent(busyShare).trim()).join(" ");
  const [busiest] = sortTasks(view.tasks, "cpu");
  const task = busiest === undefined || busiest.cpuShare === 0 ? [] : [`busiest ${printable(busiest.name)}-${busiest.pid} ${percent(busiest.cpuShare).trim()} %`];
  return [`busy % ${busy}`, summary(view), ...task].join("  ");
}

function summary({ eventsPerSecond, lostEvents, unknownLosses, wakeups, wakeupsPerSecond }: TopView): string {
  const lost = `lost ${lostEvents}${unknownLosses > 0 ? "+?" : ""}`;
  const latencies = wakeups.count === 0 ? "" : ` p50 ${duration(wakeups.percentile(0.5))} p99 ${duration(wakeups.percentile(0.99))} max ${duration(wakeups.max)}`;
  return [`events/s ${eventsPerSecond.toFixed(0)}`, lost, `wake-ups/s ${wakeupsPerSecond.toFixed(0)}${latencies}`].join(gap);
}

/** As many beside each other as fit; where even that is too much, the busiest. */
function cpuRows(cpus: readonly CpuLoad[], columns: number, rows: number): string[] {
  const across = Math.max(1, Math.min(Math.floor((columns + gap.length) / (cpuCellWidth + gap.length)), Math.ceil(cpus.length / 2)));
  let shown = [...cpus];
  let rest = "";
  if (shown.length > across * rows) {
    const busiest = new Set([...cpus].sort((a, b) => (b.busyShare ?? 0) - (a.busyShare ?? 0)).slice(0, Math.max(1, across * (rows - 1))));
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
  const bar = "#".repeat(Math.round((busyShare ?? 0) * barWidth)).padEnd(barWidth, ".");
  return cut(`${String(cpu).padStart(4)} ${bar} ${percent(busyShare)} % ${printable(running)}`, width);
}

const taskHead = `${"%CPU".padStart(6)} ${"RUNS/S".padStart(8)} ${"PID".padStart(7)} TASK`;

function taskRows(tasks: readonly TaskLoad[], order: TaskOrder, count: number): string[] {
  return sortTasks(tasks.filter(({ cpuShare, runsPerSecond }) => cpuShare > 0 || runsPerSecond > 0), order)
    .slice(0, count)
    .map(({ pid, name, cpuShare, runsPerSecond }) => `${percent(cpuShare).padStart(6)} ${runsPerSecond.toFixed(0).padStart(8)} ${String(pid).padStart(7)} ${printable(name)}`);
}

function sortTasks(tasks: readonly TaskLoad[], order: TaskOrder): TaskLoad[] {
  const by: Record<TaskOrder, (a: TaskLoad, b: TaskLoad) => number> = {
    cpu: (a, b) => b.cpuShare - a.cpuShare,
    runs: (a, b) => b.runsPerSecond - a.runsPerSecond,
    pid: () => 0,
  };
  return [...tasks].sort((a, b) => by[order](a, b) || a.pid - b.pid);
}

function footer({ order, message }: ScreenState, columns: number): string {
  const keys = `q quit  p pause  s sort: ${order}  r record the last seconds`;
  return cut(message === "" ? keys : message, columns).padEnd(columns);
}

function percent(share: number | undefined): string {
  return share === undefined ? "    -" : (share * 100).toFixed(1).padStart(5);
}

function duration(ns: number): string {
  if (ns < 1e3) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(1)} s`;
}

/** A guest's tasks choose their names; a terminal obeys control characters. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?");
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : text.slice(0, width);
}
