/** Waits and times of one recording of this machine as trace-cmd, trace_processor and perf see the same seconds. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { EventIterator } from "../../../src/timeline/event-iterator.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import { exporters } from "../../support/exporters.ts";
import { SchedulingSummary } from "../../../src/views/scheduling/summary.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { noRecordingReason, recordLocally } from "../../support/local-recording.ts";
import { whyNoTools } from "../../support/packages.ts";
import { runTraceCmd } from "../../support/trace-cmd.ts";
import { askTrace, findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import { isLong } from "../../support/long.ts";
import { testUnless } from "../../support/test-unless.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-scheduling-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const recording = join(directory, "trace.dat");
const perfData = join(directory, "perf.data");

const noTools = (await whyNoTools("trace-cmd", "perf")) ?? noRecordingReason();
const noRecording = noTools ?? (isLong ? whyPerfCannot() : undefined);
const traceProcessor = findTraceProcessor();
const noPerfetto = noRecording ?? ("reason" in traceProcessor ? traceProcessor.reason : undefined);

function whyPerfCannot(): string | undefined {
  const probe = spawnSync("perf", ["record", "-e", "sched:sched_switch", "-a", "-o", perfData, "--", "true"]);
  return probe.status === 0 ? undefined : `perf cannot record: ${probe.stderr.toString().trim().split("\n").at(-1)}`;
}

/**
 * Two that spin and one that naps on CPU 0, one that naps on the last CPU, each under a name of its own. perf 6.1 does not count
 * sched_waking, which its own `perf sched record` records, as a wake-up in `perf sched latency`: it is given sched_wakeup.
 */
function recordBoth(): void {
  const spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
  const nap = "for i in $(seq 20); do /bin/true; done";
  const works = { spin1: spin, spin2: spin, nap1: nap, nap2: nap };
  for (const name of Object.keys(works)) symlinkSync("/bin/sh", join(directory, name));
  const starts = Object.entries(works).map(
    ([name, work]) =>
      `taskset -c ${name === "nap2" ? availableParallelism() - 1 : 0} ${join(directory, name)} -c '${work}' &`,
  );
  const events = ["switch", "wakeup", "wakeup_new", "stat_runtime", "process_fork", "migrate_task"];
  const perf = [
    "record",
    "-e",
    events.map((name) => `sched:sched_${name}`).join(","),
    "-a",
    "-R",
    "-c",
    "1",
    "-m",
    "1024",
  ];
  recordLocally(recording, {
    events: ["sched/sched_switch", "sched/sched_waking", "sched/sched_wakeup", "sched/sched_wakeup_new", "irq"],
    bufferKb: 32_768,
    clock: "local",
    workload: () => {
      const { status, stderr } = spawnSync(
        "perf",
        [...perf, "-o", perfData, "sh", "-c", `${starts.join("\n")}\nwait`],
        {
          encoding: "utf8",
        },
      );
      if (status !== 0) throw new Error(`perf record: ${stderr}`);
    },
  });
}

/** `only`: as if the kernel had no sched_waking. */
function summaryOf(path: string, only?: "sched_wakeup"): SchedulingSummary {
  const source = openTraceDat(path);
  const formats = source.metadata.formats.filter((format) => only === undefined || !isWaking(format));
  const gaps: number[] = [];
  const held: { summary?: SchedulingSummary } = {};
  const gap = (cpu: number): unknown => held.summary?.scheduling.gap(cpu) ?? gaps.push(cpu);
  const events = new EventIterator({ ...source, metadata: { ...source.metadata, formats } }, {}, { gap });
  const summary = new SchedulingSummary(events.catalog, { cpus: source.cpus.length, longest: 1_000_000 });
  for (const cpu of gaps.splice(0)) summary.scheduling.gap(cpu);
  held.summary = summary;
  while (events.next()) summary.scheduling.add(events.record, events.kind);
  summary.scheduling.finish();
  source.close();
  return summary;
}

function isWaking(format: { system: string } & ({ text: string } | { head: { name: string } })): boolean {
  const name = "head" in format ? format.head.name : /name: (\S+)/.exec(format.text)?.[1];
  return name === "sched_waking";
}

/** Pid and latency in ns of each wake-up, as `trace-cmd report -w` shows them. */
function traceCmdWakeups(path: string): { pid: number; ns: number }[] {
  const { stdout } = runTraceCmd(["report", "-w", "-i", path]);
  return stdout.split("\n").flatMap((line) => {
    const [, pid, us] = /:(-?\d+) \[\d+\] Latency: ([\d.]+) usecs/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), ns: Math.round(Number(us) * 1000) }];
  });
}

function wakeupsOf({ woken }: SchedulingSummary): { pid: number; ns: number }[] {
  return woken.all
    .filter(({ isEndCut }) => !isEndCut)
    .map(({ task, start, end }) => ({ pid: task.pid, ns: end - start }));
}

const sorted = (all: { pid: number; ns: number }[]): string[] => all.map(({ pid, ns }) => `${pid} ${ns}`).sort();

test.each(["linux-6.1", "linux-6.12", "linux-6.18", "date", "buffers-v6"])(
  "the wake-ups of %s are those of trace-cmd report -w",
  (name) => {
    const path = fixturePath(name);
    expect(sorted(wakeupsOf(summaryOf(path, "sched_wakeup")))).toEqual(sorted(traceCmdWakeups(path)));
  },
);

// What else runs on this machine decides what perf leaves out, and which wakes are seen twice: no gate may hang on that.
if (isLong) {
  describe("this machine", () => {
    beforeAll(() => {
      if (noRecording === undefined) recordBoth();
    }, 300_000);

    testUnless(
      noRecording,
      "has the wake-ups that trace-cmd report -w finds",
      () => {
        const ours = wakeupsOf(summaryOf(recording, "sched_wakeup"));
        const theirs = traceCmdWakeups(recording);
        expect(ours.length).toBeGreaterThan(100);
        // trace-cmd also takes a wake-up of a task that runs for the begin of a wait that ends when it runs the next time.
        const found = new Set(sorted(theirs));
        expect(sorted(ours).filter((wakeup) => !found.has(wakeup))).toEqual([]);
        expect(ours.length).toBeGreaterThan(0.95 * theirs.length);
      },
      300_000,
    );

    testUnless(
      noPerfetto,
      "has the times that trace_processor finds: ran, waited, slept",
      () => {
        const summary = summaryOf(recording);
        const trace = join(directory, "trace.pftrace");
        const source = openTraceDat(recording);
        const bytes: Buffer[] = [];
        finishExport(
          exporters.perfetto.begin([{ machine: "", buffer: "", source }], {}, (part) => bytes.push(Buffer.from(part))),
        );
        source.close();
        writeFileSync(trace, Buffer.concat(bytes));
        const sum = (states: string): string => `sum(case when state in (${states}) then max(dur, 0) else 0 end)`;
        const [rows = []] = askTrace("folder" in traceProcessor ? traceProcessor.folder : "", trace, [
          `select tid, ${sum("'Running'")} run, ${sum("'R', 'R+'")} wait, ${sum("'S', 'I'")} sleep, ${sum("'D'")} blocked from thread_state join thread using (utid) where tid != 0 group by tid`,
        ]);
        let compared = 0;
        for (const row of rows) {
          const task = summary.scheduling.tasks.find(Number(row["tid"]));
          // Those whose begin and end are in the recording: what was before and after it is counted by neither in the same way.
          if (task === undefined || task.state !== "unknown" || !mine(summary).has(task.pid)) continue;
          compared++;
          const { pid, runNs, waitNs, sleepNs, blockedNs } = task;
          // For trace_processor a new task is created, and does not wait, until it runs.
          const fork = summary.woken.all.find(({ cause, task: { pid: forked } }) => cause === "new" && forked === pid);
          const waited = waitNs - (fork === undefined ? 0 : fork.end - fork.start);
          const theirs = ["run", "wait", "sleep", "blocked"].map((key) => Number(row[key]));
          for (const [index, ours] of [runNs, waited, sleepNs, blockedNs].entries())
            expect(Math.abs(ours - (theirs[index] ?? NaN))).toBeLessThanOrEqual(0.001 * ours + 20_000);
        }
        expect(compared).toBe(4);
      },
      300_000,
    );

    testUnless(
      noRecording,
      "has the delays of perf sched latency, within 2 %",
      () => {
        const { stdout } = spawnSync("perf", ["sched", "latency", "-p", "-i", perfData], { encoding: "utf8" });
        const summary = summaryOf(recording, "sched_wakeup");
        const near = (ours: number, theirs: number): void =>
          expect(Math.abs(ours - theirs)).toBeLessThanOrEqual(0.02 * theirs);
        let [sum, sumOfPerf] = [0, 0];
        for (const pid of mine(summary)) {
          const task = summary.scheduling.tasks.find(pid);
          const line = stdout.split("\n").find((text) => text.includes(`:${pid} `)) ?? "";
          const numbers = /ms \| +(\d+) \| avg: +([\d.]+) ms \| max: +([\d.]+) ms/.exec(line)?.slice(1).map(Number);
          const [count = NaN, average = NaN, most = NaN] = numbers ?? [];
          sum += task?.waitNs ?? 0;
          sumOfPerf += count * average * 1e6;
          near(task?.longestWaitNs ?? 0, most * 1e6);
          // perf leaves out single wake-ups whose task has not left its CPU yet, as it sees them.
          expect(Math.abs((task?.waits ?? 0) - count)).toBeLessThanOrEqual(0.1 * count);
        }
        // Its run time is that of sched_stat_runtime, which leaves out interrupts and what the hypervisor took.
        near(sum, sumOfPerf);
      },
      300_000,
    );
  });
}

/** The workload's tasks. */
function mine(summary: SchedulingSummary): Set<number> {
  const named = summary.tasks(Infinity).filter(({ name }) => /^(?:spin|nap)[12]$/.test(name));
  return new Set(named.map(({ times }) => times.pid));
}
