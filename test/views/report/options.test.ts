/** Options of `report` that are trace-cmd's, each against trace-cmd 3.1.6 on every fixture that it reads. */
import { describe, expect, test } from "bun:test";
import { setLogLevel } from "../../../src/base/log.ts";
import type { LineStyle } from "../../../src/views/line-style.ts";
import { fixturePath, fixtures, shownLines } from "../../fixtures/fixtures.ts";
import { isQuick } from "../../support/quick.ts";
import { compareReports, noTraceCmdReason, ourReport, traceCmdReport } from "../../support/trace-cmd-report.ts";

const reason = noTraceCmdReason();
if (reason !== undefined) console.log(`skipped: options of report against trace-cmd: ${reason}`);

setLogLevel("error");

const compared = fixtures.filter(({ notForTraceCmd }) => notForTraceCmd === undefined);
/** Its two ring buffers have clocks of different units: the difference between their times means nothing. */
const twoUnits = "instance-clock";

const styles: readonly { options: readonly string[]; style: LineStyle }[] = [
  { options: ["-t"], style: { fullTimes: true } },
  { options: ["--ts-diff"], style: { timeDifferences: true } },
  { options: ["-l"], style: { latency: true } },
  { options: ["-l", "-t", "--ts-diff"], style: { latency: true, fullTimes: true, timeDifferences: true } },
];

const cases = compared.map(({ name, differences }, number) => [name, number, differences] as const);
describe.skipIf(reason !== undefined).each(cases)("the lines of fixture %s", (name, number, differences = {}) => {
  const sensible = styles.filter(({ style }) => name !== twoUnits || style.timeDifferences !== true);
  // In the quick form each with one, in turn.
  const tried = sensible.filter((_, index) => !isQuick || index === number % sensible.length);
  test.each(tried)("are trace-cmd's with $options", ({ options, style }) => {
    const { lines, known, others } = compareReports(fixturePath(name), { style }, options);
    expect(others).toEqual([]);
    expect(lines).toBeGreaterThan(2);
    const { "a difference of another unit": unit = 0, ...rest } = known;
    // Only there may more lines differ than without options.
    if (unit === 0) expect(rest).toEqual(differences);
    else expect(options).toEqual(["--ts-diff"]);
  });
});

/** Each with the fixture that it is for; the same text for both. */
const filters: readonly { on: string; filters: readonly string[] }[] = [
  { on: "linux-6.12", filters: ["sched_switch"] },
  { on: "linux-6.12", filters: ["sched"] },
  { on: "linux-6.12", filters: ["SCHED_Switch"] },
  { on: "linux-6.12", filters: ["sched.*"] },
  { on: "linux-6.12", filters: ["sched/sched_switch,irq/.*"] },
  { on: "linux-6.12", filters: ["sched_switch , sched_waking : pid == 11 "] },
  { on: "linux-6.12", filters: ["sched_switch:prev_pid == 11", "sched_waking"] },
  { on: "linux-6.12", filters: ["sched_switch:next_pid != 496"] },
  { on: "linux-6.12", filters: ["sched_switch:next_pid==0x1f0||prev_pid==013"] },
  { on: "linux-6.12", filters: ["sched_switch:! prev_pid == 11 && next_pid == 11"] },
  { on: "linux-6.12", filters: ["sched_switch:!(prev_pid == 11) && !(next_pid == 3)"] },
  { on: "linux-6.12", filters: ["sched_switch:!(prev_pid == 11 || next_pid == 496) || prev_pid < 12"] },
  { on: "linux-6.12", filters: ["sched_switch:(prev_pid >= 11 && prev_pid <= 11) || prev_pid > 400"] },
  { on: "linux-6.12", filters: ['sched_switch:next_comm == "trace-agent"'] },
  { on: "linux-6.12", filters: ['sched_switch:next_comm != "trace-agent"'] },
  { on: "linux-6.12", filters: ['sched_switch:next_comm =~ "^TRACE-a"'] },
  { on: "linux-6.12", filters: ['sched_switch:next_comm !~ "k[v-x]*orker/[[:digit:]]:"'] },
  { on: "linux-6.12", filters: ['sched_switch:next_comm =~ "k\\(w\\|x\\)orke\\?r\\+"'] },
  { on: "linux-6.12", filters: ['.*:COMM == "rcu_preempt"'] },
  { on: "linux-6.12", filters: ['.*:COMM =~ "worker"'] },
  { on: "linux-6.12", filters: [".*:CPU == 1"] },
  { on: "linux-6.12", filters: [".*:common_pid == 0"] },
  { on: "linux-6.12", filters: ["sched_wakeup,sched_waking:target_cpu == 0 && pid > 10"] },
  { on: "linux-6.12", filters: ["softirq_.*:vec == 9"] },
  { on: "linux-6.12", filters: ["sched_switch:prev_pid & 1"] },
  { on: "linux-6.12", filters: ["sched_switch:! prev_pid & 1"] },
  { on: "linux-6.12", filters: ["sched_switch:prev_pid & common_pid"] },
  { on: "linux-6.12", filters: ["sched_switch:prev_pid ^ 11"] },
  { on: "linux-6.12", filters: ["sched_switch:prev_pid|next_pid", "sched_waking:pid | 0"] },
  { on: "linux-6.12", filters: ["sched_switch:prev_pid - next_pid && prev_pid % 2"] },
  { on: "linux-6.12", filters: ["sched_switch:next_pid-11"] },
  { on: "linux-6.12", filters: ["sched_switch:next_pid * prev_prio"] },
  { on: "linux-6.12", filters: ["sched_switch:next_pid * 0x100000000 || (prev_pid / 400)"] },
  { on: "linux-6.12", filters: ["sched_switch:prev_pid << 62"] },
  { on: "linux-6.12", filters: ["sched_switch:next_pid >> 8"] },
  { on: "linux-6.12", filters: ["sched_switch:496 % next_prio && 16 - next_pid"] },
  { on: "linux-6.12", filters: ["sched_.*:pid + target_cpu"] },
  { on: "linux-6.12", filters: [".*:CPU ^ 1"] },
  { on: "linux-6.12-syscalls", filters: ["sys_exit:ret + 2"] },
  { on: "linux-6.12-syscalls", filters: ["sys_exit:ret >> 63"] },
  { on: "linux-6.12-syscalls", filters: ["sys_exit:ret % 3"] },
  { on: "linux-6.12", filters: ['timer_start:function == "process_timeout"'] },
  { on: "linux-6.12", filters: ['workqueue_queue_work:workqueue =~ "."'] },
  { on: "linux-6.12-syscalls", filters: ["sys_enter:id == 59"] },
  { on: "linux-6.12-syscalls", filters: ["sys_exit:ret == 0 || id == 12"] },
  { on: "linux-6.12-syscalls", filters: ["sys_exit:ret & 1"] },
  { on: "linux-6.12-function", filters: ['function:ip =~ "STAT"'] },
  { on: "linux-6.12-graph", filters: ["sched_switch"] },
  { on: "linux-6.12-lost", filters: ["sched_waking"] },
  { on: "case-synthetic-string", filters: ["synthetic"] },
  { on: "case-date", filters: ["sched.*:prev_pid > 100"] },
  { on: "utf-8", filters: ['sched_switch:next_comm =~ "."'] },
  { on: "linux-6.18", filters: ['.*:COMM =~ "^[m-r]"'] },
];

/** trace-cmd tells a loss with the event that comes next, if that is shown; we always do. */
const withoutLosses = (report: string): string[] =>
  shownLines(report).filter((line) => !/^CPU:\d+ \[.*EVENTS DROPPED\]$/.test(line));

const anyLines = /-\d+ +\[\d+\]/;

describe.skipIf(reason !== undefined)("-F", () => {
  test.each(filters)("picks of $on what trace-cmd picks: $filters", ({ on, filters: given }) => {
    const options = given.flatMap((filter) => ["-F", filter]);
    const { others } = compareReports(fixturePath(on), { filters: given }, options, withoutLosses);
    expect(others).toEqual([]);
  });

  test("is tried with filters that pick some events, and not all of them", () => {
    const count = (text: string): number => text.split("\n").filter((line) => anyLines.test(line)).length;
    const all = new Map(filters.map(({ on }) => [on, 0]));
    for (const on of all.keys()) all.set(on, count(ourReport(fixturePath(on))));
    const idle = filters.filter(({ on, filters: given }) => {
      const picked = count(ourReport(fixturePath(on), { filters: given }));
      return picked === 0 || picked === all.get(on);
    });
    expect(idle).toEqual([]);
  });

  test("beyond trace-cmd: ~ is a glob, signed fields are below 0, fields and sums are compared", () => {
    const picked = (on: string, filter: string): string[] =>
      ourReport(fixturePath(on), { filters: [filter] })
        .trimEnd()
        .split("\n")
        .slice(1);
    const all = ourReport(fixturePath("linux-6.12-syscalls")).trimEnd().split("\n").slice(1);
    const negative = all.filter((line) => / sys_exit: .* = -/.test(line));
    expect(negative.length).toBeGreaterThan(0);
    expect(picked("linux-6.12-syscalls", "sys_exit: ret < 0")).toEqual(negative);
    expect(picked("linux-6.12-syscalls", "raw_syscalls:sys_exit: ret == -2")).toEqual(
      all.filter((line) => line.endsWith("= -2")),
    );
    const switches = ourReport(fixturePath("linux-6.12"), { events: ["sched_switch"] })
      .trimEnd()
      .split("\n")
      .slice(1);
    expect(picked("linux-6.12", 'sched:sched_switch: next_comm ~ "kw*:?"')).toEqual(
      switches.filter((line) => line.includes("==> kworker")),
    );
    const pids = (line: string): number[] => [...line.matchAll(/:(\d+) \[/g)].map(([, pid]) => Number(pid));
    const sums = ["next_pid - prev_pid > 100", "(next_pid - prev_pid) > 100", "100 < next_pid - prev_pid"];
    const far = switches.filter((line) => (pids(line)[1] ?? 0) - (pids(line)[0] ?? 0) > 100);
    expect(far.length).toBeGreaterThan(0);
    for (const sum of sums) expect(picked("linux-6.12", `sched_switch: ${sum}`)).toEqual(far);
    expect(picked("linux-6.12", "sched_switch: prev_pid % 0 || 1 / prev_pid == 7")).toEqual([]);
    expect(picked("linux-6.12", "sched_switch: prev_prio == next_prio")).toEqual(
      switches.filter((line) => / \[(\d+)\] .*\[\1\]$/.test(line)),
    );
  });
});

describe.skipIf(reason !== undefined)("--comm", () => {
  test.each([
    ["linux-6.12", ["trace-agent"]],
    ["linux-6.12", ["rcu_preempt", "kworker/0:1"]],
    ["linux-6.18", ["trace-agent"]],
    ["linux-6.12-lost", ["trace-cmd"]],
    ["case-first-second", ["trace-cmd"]],
  ])("picks of %s the events of %p and about them, as trace-cmd does", (name, comms) => {
    const path = fixturePath(name);
    const { lines, others } = compareReports(path, { comms }, ["--comm", comms.join(",")], withoutLosses);
    expect(others).toEqual([]);
    expect(lines).toBeGreaterThan(2);
    expect(lines).toBeLessThan(traceCmdReport(path).split("\n").length);
  });
});
