/** The scheduling of a machine as text of at most 80 columns, but for long names. */
import { foreignText } from "../../base/foreign-text.ts";
import { counted } from "../../base/plural.ts";
import { table } from "../../base/table.ts";
import type { LatencyHistogram } from "../latency-histogram.ts";
import { shownTime } from "../shown-time.ts";
import { schedulingLimits } from "./limits.ts";
import type { LongInterrupt, LongSlice, LongWait, NamedTask, SchedulingSummary } from "./summary.ts";
import type { LeftAs } from "./slices.ts";
import { unknownPrio } from "./task-times.ts";

export type Epoch = { epoch: bigint };

const columnsMax = 80;
const barMax = 40;
/** Of "US" and "WOKEN AT" and "CPU". */
const [usColumns, timeColumns, cpuColumns] = [11, 15, 4];
const indent = " ".repeat(usColumns + 2);

/** All of it: `report --wakeups`. */
export function schedulingText(summary: SchedulingSummary, time: Epoch): string {
  return sections([
    latencySection(summary),
    histogramSection(summary.wakeups),
    ...longestSections(summary, time),
    interruptSection(summary),
    taskSection(summary),
  ]);
}

/** The longest of each: for a summary. */
export function longestSections(summary: SchedulingSummary, time: Epoch): string[] {
  return [
    waitSection("LONGEST WAKE-UP LATENCIES (woken, until it runs)", "WOKEN AT", summary.woken.all, time),
    waitSection("LONGEST WAITS AFTER A PREEMPTION", "PREEMPTED AT", summary.preempted.all, time),
    interruptsSection(summary.interrupts.all, time),
    slicesSection(summary.slices.all, time),
  ];
}

function sections(all: readonly string[]): string {
  return all.filter((section) => section !== "").join("\n");
}

function latencySection({ wakeups, preemptions, scheduling }: SchedulingSummary): string {
  const row = (name: string, of: LatencyHistogram): string[] => [
    name,
    String(of.count),
    ...[0.5, 0.9, 0.99].map((share) => us(of.percentile(share))),
    us(of.max),
    (of.sum / 1e6).toFixed(3),
  ];
  const rows = [row("woken", wakeups), row("preempted", preemptions)];
  const cut = scheduling.cutWaits;
  const note =
    cut === 0 ? "" : `Left out, since events of that time are not in the recording: ${counted(cut, "wake-up")}.\n`;
  return `${table(["WAITS FOR A CPU", "COUNT", "P50 US", "P90 US", "P99 US", "MAX US", "SUM MS"], rows, "left")}${note}`;
}

function histogramSection(latencies: LatencyHistogram): string {
  const powers = latencies.powers();
  const most = Math.max(1, ...powers.map(({ count }) => count));
  const rows = powers.map(({ toNs, count }) => {
    const bar = "#".repeat(Math.ceil((count / most) * barMax));
    return `${us(toNs).padStart(usColumns)}  ${String(count).padStart(9)}  ${bar}`.trimEnd();
  });
  return rows.length === 0 ? "" : `${"BELOW US".padStart(usColumns)}  ${"WAKE-UPS".padStart(9)}\n${rows.join("\n")}\n`;
}

function waitSection(title: string, at: string, waits: readonly LongWait[], time: Epoch): string {
  if (waits.length === 0) return "";
  const lines = waits.flatMap(({ task, cause, start, end, cpu, isEndCut, waker, ...meanwhile }) => [
    columns(isEndCut ? `>${us(end - start)}` : us(end - start), timeAt(start, time), String(cpu), taskText(task)),
    ...(waker === undefined ? [] : wrapped([wakerText(cause === "new", waker)])),
    ...wrapped(meanwhileTexts(cpu, meanwhile)),
  ]);
  return `${title}\n${columns("US", at, "CPU", "TASK [PRIO]")}\n${lines.join("\n")}\n`;
}

function wakerText(isNew: boolean, { pid, name, cpu, interrupt }: NonNullable<LongWait["waker"]>): string {
  const begun = isNew ? "forked by" : "woken by";
  if (interrupt === "") return `${begun} ${named({ pid, name })} on CPU ${cpu}`;
  return `${begun} ${foreignText(interrupt)} on CPU ${cpu}, over ${named({ pid, name })}`;
}

function meanwhileTexts(
  cpu: number,
  { ran, othersNs, interruptsNs, isWhole }: Pick<LongWait, "ran" | "othersNs" | "interruptsNs" | "isWhole">,
): string[] {
  const shown = ran.slice(0, schedulingLimits.meanwhileTasksInText);
  const rest = ran.slice(shown.length).reduce((sum, { ns }) => sum + ns, othersNs);
  const texts = shown.map(({ ns, ...task }) => `${task.pid === 0 ? "idle" : taskText(task)} ${us(ns)} us`);
  if (rest > 0) texts.push(`others ${us(rest)} us`);
  if (interruptsNs > 0) texts.push(`of that ${us(interruptsNs)} us in interrupts`);
  if (!isWhole) texts.push("the rest is not known");
  if (texts.length === 0) return [];
  return [`meanwhile CPU ${cpu} ran ${texts[0]}`, ...texts.slice(1)];
}

function interruptsSection(interrupts: readonly LongInterrupt[], time: Epoch): string {
  if (interrupts.length === 0) return "";
  const lines = interrupts.map(({ what, cpu, start, end, interrupted }) =>
    columns(
      us(end - start),
      timeAt(start, time),
      String(cpu),
      `${foreignText(what).padEnd(24)} over ${named(interrupted)}`,
    ),
  );
  return `LONGEST TIMES IN INTERRUPTS\n${columns("US", "FROM", "CPU", "INTERRUPT")}\n${lines.join("\n")}\n`;
}

const leftTexts: Record<LeftAs, string> = {
  preempted: "then preempted",
  sleeping: "then slept",
  blocked: "then blocked (D)",
  dead: "then ended",
};

function slicesSection(slices: readonly LongSlice[], time: Epoch): string {
  if (slices.length === 0) return "";
  const lines = slices.map(({ task, cpu, start, end, isStartCut, isEndCut, leftAs }) => {
    const duration = `${isStartCut || isEndCut ? ">" : ""}${us(end - start)}`;
    const left = leftAs === undefined ? "" : leftTexts[leftAs];
    return columns(duration, timeAt(start, time), String(cpu), `${taskText(task).padEnd(26)} ${left}`.trimEnd());
  });
  return `LONGEST TIMES ON A CPU WITHOUT A SWITCH\n${columns("US", "FROM", "CPU", "TASK [PRIO]")}\n${lines.join("\n")}\n`;
}

/** Sums by interrupt. */
function interruptSection({ interruptTimes }: SchedulingSummary): string {
  const rows = [...interruptTimes.values()]
    .sort((a, b) => b.totalNs - a.totalNs)
    .slice(0, schedulingLimits.tasksInText)
    .map(({ what, count, totalNs, maxNs }) => [foreignText(what), String(count), ms(totalNs), us(maxNs)]);
  return rows.length === 0 ? "" : table(["INTERRUPT", "COUNT", "SUM MS", "MAX US"], rows, "left");
}

function taskSection(summary: SchedulingSummary): string {
  const rows = summary
    .tasks(schedulingLimits.tasksInText)
    .map(({ times: task, name }) => [
      named({ pid: task.pid, name }),
      ms(task.runNs),
      ms(task.waitNs),
      ms(task.sleepNs),
      ms(task.blockedNs),
      String(task.runs),
      us(task.longestWaitNs),
    ]);
  const head = ["TASK", "RUN MS", "WAIT MS", "SLEEP MS", "D MS", "RUNS", "MAX WAIT US"];
  return rows.length === 0 ? "" : table(head, rows, "left");
}

function columns(duration: string, at: string, cpu: string, rest: string): string {
  return `${duration.padStart(usColumns)}  ${at.padStart(timeColumns)}  ${cpu.padStart(cpuColumns)}  ${rest}`.trimEnd();
}

/** Parts of a sentence, with commas between, in as many lines as they need. */
function wrapped(parts: readonly string[]): string[] {
  const lines: string[] = [];
  for (const [index, part] of parts.entries()) {
    const text = index < parts.length - 1 ? `${part},` : part;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + text.length <= columnsMax) lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(`${indent}${index === 0 ? "" : "  "}${text}`);
  }
  return lines;
}

function timeAt(stamp: number, { epoch }: Epoch): string {
  return shownTime(epoch + BigInt(Math.round(stamp)), true);
}

function taskText({ prio, ...task }: NamedTask): string {
  return prio === unknownPrio ? named(task) : `${named(task)} [${prio}]`;
}

function named({ pid, name }: { pid: number; name: string }): string {
  return pid === 0 ? "idle" : `${foreignText(name)}-${pid}`;
}

function us(ns: number): string {
  return (ns / 1e3).toFixed(1);
}

function ms(ns: number): string {
  return (ns / 1e6).toFixed(3);
}
