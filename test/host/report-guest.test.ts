/** Events of the tracers, which not every machine allows itself: in a guest, against trace-cmd here. */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRecording } from "../../src/host/open-recording.ts";
import { writeReport } from "../../src/host/report.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { recordInGuest } from "../support/guest-recording.ts";

const directory = process.env["TA_KEEP"] ?? mkdtempSync(join(tmpdir(), "trace-agent-report-"));
afterAll(() => {
  if (process.env["TA_KEEP"] === undefined) rmSync(directory, { recursive: true, force: true });
});
const hasTraceCmd = spawnSync("trace-cmd", ["--version"]).status !== null;
if (!hasTraceCmd) console.log("reports of tracers' events against trace-cmd: skipped: no trace-cmd to compare with");

function compare(path: string, mustShow: readonly RegExp[]): void {
  const source = openRecording(path);
  const parts: Buffer[] = [];
  writeReport(source, { form: "text" }, (bytes) => parts.push(Buffer.from(bytes)));
  source.close();
  const ours = Buffer.concat(parts).toString("latin1").split("\n");
  for (const pattern of mustShow) expect(ours.some((line) => pattern.test(line))).toBe(true);
  if (!hasTraceCmd) return;
  const { stdout } = spawnSync("trace-cmd", ["report", path], { maxBuffer: 1 << 30, encoding: "latin1" });
  const theirs = stdout.split("\n");
  expect(ours.length).toBe(theirs.length);
  const differing = ours.flatMap((line, index) => (line === theirs[index] ? [] : [{ ours: line, theirs: theirs[index] }]));
  console.log(`${path}: ${ours.length} lines, ${differing.length} differ`, differing.slice(0, 3));
  expect(differing.length).toBeLessThan(Math.max(1, ours.length / 100));
}

await describeWithGuest("a recording of a 6.12 guest", { kernel: "6.12", cpus: 2 }, (guest) => {
  const work = "ls -l /bin > /dev/null; (sleep 0.05); cat /proc/self/status > /dev/null";

  test(
    "with the function tracer prints as trace-cmd report does",
    async () => {
      const path = join(directory, "function.dat");
      await recordInGuest(guest(), path, {
        setUp: "echo 'vfs_*' > set_ftrace_filter && echo 'do_*' >> set_ftrace_filter && echo function > current_tracer && echo 1 > options/func_stack_trace",
        work: "cat /proc/self/status > /dev/null; echo 0 > /sys/kernel/tracing/options/func_stack_trace; ls -l /bin > /dev/null; (sleep 0.05)",
        tearDown: "echo nop > current_tracer; echo > set_ftrace_filter",
        cpus: 2,
        systems: ["sched"],
      });
      compare(path, [/ function: +.*vfs_read$/, / kernel_stack: +<stack trace/]);
    },
    guestTestTimeoutMs,
  );

  test(
    "with function_graph prints as trace-cmd report does",
    async () => {
      const path = join(directory, "graph.dat");
      await recordInGuest(guest(), path, {
        setUp: "echo 'vfs_*' > set_ftrace_filter && echo '*fput*' >> set_ftrace_filter && echo 'security_file*' >> set_ftrace_filter && echo 'mutex_*' >> set_ftrace_filter && echo function_graph > current_tracer && echo 1 > events/sched/sched_switch/enable",
        work,
        tearDown: "echo 0 > events/enable; echo nop > current_tracer; echo > set_ftrace_filter",
        cpus: 2,
        systems: ["sched"],
      });
      compare(path, [/ funcgraph_entry: +.* us +\| +\w+\(\);/, / funcgraph_entry: +\| +vfs_read\(\) \{/, / funcgraph_exit: +.*\}/]);
    },
    guestTestTimeoutMs,
  );

  test(
    "with kprobe events, stack traces and markers prints as trace-cmd report does",
    async () => {
      const path = join(directory, "kprobe.dat");
      await recordInGuest(guest(), path, {
        setUp: `echo 'p:opening do_sys_openat2 dfd=%di:s32 name=+0(%si):ustring flags=%dx:x64' > kprobe_events &&
          echo 'r:opened do_sys_openat2 fd=$retval:s32' >> kprobe_events && echo 1 > events/kprobes/enable &&
          echo 1 > events/syscalls/enable && echo 1 > events/sched/enable && echo 1 > events/irq/enable && echo 1 > events/timer/enable &&
          echo 1 > events/workqueue/enable && echo 'stacktrace if prev_state == 1' > events/sched/sched_switch/trigger`,
        work: `echo 'hello from the guest' > /sys/kernel/tracing/trace_marker; ${work}`,
        tearDown: "echo '!stacktrace' > events/sched/sched_switch/trigger; echo 0 > events/enable; echo > kprobe_events",
        cpus: 2,
        systems: ["sched", "irq", "timer", "workqueue", "syscalls", "kprobes"],
      });
      compare(path, [/ opening: +\(\w+.*\) dfd=-100 name="/, / opened: +.*<- .*fd=/, / print: +tracing_mark_write: hello from the guest/, / sys_enter_openat: /]);
    },
    guestTestTimeoutMs,
  );
});
