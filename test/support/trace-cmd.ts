/** trace-cmd as the judge of our files. */
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import { noStats, parseCpuStats, type CpuStats } from "../../src/tracefs/cpu-stats.ts";

let steady: readonly string[] | undefined;

/**
 * Runs trace-cmd at addresses that are the same each time, where the system allows that. At random ones 3.1.6 shows files of old kernels
 * otherwise in one of some 250 runs, by memory that it has not set.
 */
export function runTraceCmd(args: readonly string[]): SpawnSyncReturns<string> {
  const [program, words] = commandOf(args);
  return spawnSync(program, words, { encoding: "latin1", maxBuffer: 1 << 30 });
}

function commandOf(args: readonly string[]): [program: string, words: string[]] {
  steady ??= spawnSync("setarch", ["-R", "true"]).status === 0 ? ["setarch", "-R"] : [];
  const [program = "", ...words] = [...steady, "trace-cmd", ...args];
  return [program, words];
}

/** What trace-cmd says; throws when it complains. */
export function traceCmd(...args: string[]): string {
  const { status, signal, error, stdout, stderr } = runTraceCmd(args);
  requireContent(args, status ?? error?.message ?? signal, stderr);
  return stdout;
}

/** The same of any length: some lines at a time. */
export async function* traceCmdLines(...args: string[]): AsyncGenerator<readonly string[], void> {
  const [program, words] = commandOf(args);
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close") as Promise<[code: number | null, signal: string | null]>;
  let [begun, stderr] = ["", ""];
  child.stderr.setEncoding("latin1").on("data", (text: string) => (stderr += text));
  try {
    for await (const piece of child.stdout.setEncoding("latin1") as AsyncIterable<string>) {
      const lines = `${begun}${piece}`.split("\n");
      begun = lines.pop() ?? "";
      yield lines;
    }
    yield [begun];
    const [code, signal] = await closed;
    requireContent(args, code ?? signal, stderr);
  } finally {
    child.kill();
  }
}

function requireContent(args: readonly string[], end: unknown, stderr: string): void {
  if (end !== 0 || stderr !== "") throw new Error(`trace-cmd ${args.join(" ")}: ${String(end)}\n${stderr}`);
}

export type ReportLine = { task: string; pid: number; cpu: number; text: string };

/** The events of a file; throws when a line is none. */
export function reportLines(path: string): ReportLine[] {
  return linesIn(traceCmd("report", "-i", path), path);
}

/** The same of what trace-cmd has said of that file. */
export function linesIn(report: string, path: string): ReportLine[] {
  const lines: ReportLine[] = [];
  for (const line of report.split("\n")) {
    if (
      line === "" ||
      line.startsWith("cpus=") ||
      /^CPU \d+ is empty$/.test(line) ||
      /^CPU:\d+ \[\d* ?EVENTS DROPPED\]$/i.test(line)
    )
      continue;
    const [, task, pid, cpu, text] = /^ *(\S.*)-(\d+) +\[(\d+)\] +\d+\.\d+: (.*)$/.exec(line) ?? [];
    if (task === undefined || text === undefined) throw new Error(`not an event in trace-cmd report ${path}: ${line}`);
    lines.push({ task, pid: Number(pid), cpu: Number(cpu), text });
  }
  return lines;
}

/** `trace-cmd report --stat` by CPU. `text`: what it has said of that file. */
export function reportStats(path: string, text = statText(path)): Map<number, CpuStats> {
  const stats = new Map<number, CpuStats>();
  for (const part of text.split(/^CPU: /m).slice(1)) {
    stats.set(Number.parseInt(part, 10), { ...noStats, ...parseCpuStats(part) });
  }
  return stats;
}

export function statText(path: string): string {
  return traceCmd("report", "--stat", "-i", path);
}

/** What a recording says of itself in these statistics: the kernel's counts between its start and its stop. */
export type RecordingCounts = { events: number; overrun: number; commitOverrun: number; droppedEvents: number };

export function recordingCounts(path: string, text = statText(path)): Map<number, RecordingCounts> {
  const counts = new Map<number, RecordingCounts>();
  for (const part of text.split(/^CPU: /m).slice(1)) {
    const value = (name: string): number =>
      Number(new RegExp(`^recording ${name}: (\\d+)$`, "m").exec(part)?.[1] ?? NaN);
    counts.set(Number.parseInt(part, 10), {
      events: value("events"),
      overrun: value("overrun"),
      commitOverrun: value("commit overrun"),
      droppedEvents: value("dropped events"),
    });
  }
  return counts;
}
