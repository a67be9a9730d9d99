/** Events of the tracers, which not every machine allows itself: in a guest, against trace-cmd and trace_processor here. */
import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeWithGuest, guestTestTimeoutMs } from "../../support/describe-guest.ts";
import { recordInGuest } from "../../support/guest-recording.ts";
import { checkExport } from "../../support/perfetto/check-export.ts";
import { findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import { testUnless } from "../../support/test-unless.ts";
import { compareReports, noTraceCmdReason, ourReport } from "../../support/trace-cmd-report.ts";

const directory = process.env["TA_KEEP"] ?? mkdtempSync(join(tmpdir(), "trace-agent-report-"));
afterAll(() => {
  if (process.env["TA_KEEP"] === undefined) rmSync(directory, { recursive: true, force: true });
});
const traceProcessor = findTraceProcessor();
const reason = noTraceCmdReason() ?? ("reason" in traceProcessor ? traceProcessor.reason : undefined);

function check(path: string, mustShow: readonly RegExp[]): void {
  const lines = ourReport(path).split("\n");
  for (const pattern of mustShow) expect(lines.filter((line) => pattern.test(line)).length).toBeGreaterThan(0);
  const { known, others } = compareReports(path);
  console.log(`${path}: ${lines.length} lines, known differences:`, known);
  expect(others.slice(0, 5)).toEqual([]);
  checkExport("folder" in traceProcessor ? traceProcessor.folder : "", path);
}

await describeWithGuest("a recording of a 6.12 guest", { kernel: "6.12", cpus: 2 }, (guest) => {
  const work = "ls -l /bin > /dev/null; (sleep 0.05); cat /proc/self/status > /dev/null";

  testUnless(
    reason,
    "with the function tracer prints as trace-cmd report does",
    async () => {
      const path = join(directory, "function.dat");
      await recordInGuest(guest(), path, {
        setUp:
          "echo 'vfs_*' > set_ftrace_filter && echo 'do_*' >> set_ftrace_filter && echo function > current_tracer && echo 1 > options/func_stack_trace",
        work: "cat /proc/self/status > /dev/null; echo 0 > /sys/kernel/tracing/options/func_stack_trace; ls -l /bin > /dev/null; (sleep 0.05)",
        tearDown: "echo nop > current_tracer; echo > set_ftrace_filter",
        cpus: 2,
        systems: ["sched"],
      });
      check(path, [/ function: +.*vfs_read$/, / kernel_stack: +<stack trace/]);
    },
    guestTestTimeoutMs,
  );

  testUnless(
    reason,
    "with function_graph prints as trace-cmd report does",
    async () => {
      const path = join(directory, "graph.dat");
      await recordInGuest(guest(), path, {
        setUp:
          "echo 'vfs_*' > set_ftrace_filter && echo '*fput*' >> set_ftrace_filter && echo 'security_file*' >> set_ftrace_filter && echo 'mutex_*' >> set_ftrace_filter && echo function_graph > current_tracer && echo 1 > events/sched/sched_switch/enable",
        // Reads that wait: durations of five, six and seven digits.
        work: `${work}; for time in 0.02 0.2 1.2; do (sleep $time; echo) | cat >/dev/null; done`,
        tearDown: "echo 0 > events/enable; echo nop > current_tracer; echo > set_ftrace_filter",
        cpus: 2,
        systems: ["sched"],
      });
      check(path, [
        / funcgraph_entry: +.* us +\| +\w+\(\);/,
        / funcgraph_entry: +\| +vfs_read\(\) \{/,
        / funcgraph_exit: +.*\}/,
        / \d{5}\.\d{3} us /,
        / \d{6}\.\d{3} us /,
        / \d{7} us /,
      ]);
    },
    guestTestTimeoutMs,
  );

  testUnless(
    reason,
    "with kprobe events, stack traces and markers prints as trace-cmd report does",
    async () => {
      const path = join(directory, "kprobe.dat");
      await recordInGuest(guest(), path, {
        setUp: `echo 'p:opening do_sys_openat2 dfd=%di:s32 name=+0(%si):ustring flags=%dx:x64' > kprobe_events &&
          echo 'r:opened do_sys_openat2 fd=$retval:s32' >> kprobe_events && echo 1 > events/kprobes/enable &&
          echo 1 > events/syscalls/enable && echo 1 > events/sched/enable && echo 1 > events/irq/enable && echo 1 > events/timer/enable &&
          echo 1 > events/workqueue/enable && echo 'stacktrace if prev_state == 1' > events/sched/sched_switch/trigger`,
        work: `echo 'hello from the guest' > /sys/kernel/tracing/trace_marker; ${work}`,
        tearDown:
          "echo '!stacktrace' > events/sched/sched_switch/trigger; echo 0 > events/enable; echo > kprobe_events",
        cpus: 2,
        systems: ["sched", "irq", "timer", "workqueue", "syscalls", "kprobes"],
      });
      check(path, [
        / opening: +\(\w+.*\) dfd=-100 name="/,
        / opened: +.*<- .*fd=/,
        / print: +tracing_mark_write: hello from the guest/,
        / sys_enter_openat: /,
      ]);
    },
    guestTestTimeoutMs,
  );
});

await describeWithGuest("a recording of a 6.1 guest with 8 CPUs", { kernel: "6.1", cpus: 8 }, (guest) => {
  testUnless(
    reason,
    "that lost events prints and exports as it should",
    async () => {
      const path = join(directory, "eight.dat");
      await recordInGuest(guest(), path, {
        setUp:
          "echo 16 > buffer_size_kb && for s in sched irq raw_syscalls workqueue timer; do echo 1 > events/$s/enable; done",
        work: "for i in 1 2 3 4 5 6 7 8; do (ls -lR /bin /etc > /dev/null; usleep 20000) & done; wait",
        tearDown: "echo 0 > events/enable",
        cpus: 8,
        systems: ["sched", "irq", "raw_syscalls", "workqueue", "timer"],
      });
      check(path, [/^cpus=8$/, /^CPU:\d \[(?:\d+ )?EVENTS DROPPED\]$/, / \[00[2-7]\] .*: sched_switch: /]);
    },
    guestTestTimeoutMs,
  );
});
