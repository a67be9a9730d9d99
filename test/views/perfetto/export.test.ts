import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noRecordingReason, recordLocally, recordLoss } from "../../support/local-recording.ts";
import { checkExports, type ExportCheck } from "../../support/perfetto/check-export.ts";
import { findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import { executable } from "../../support/agent-process.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-perfetto-"));
/** Events of file systems and of disks come from there: the quick form's temporary files lie in memory. */
const onDisk = mkdtempSync("/var/tmp/trace-agent-export-");
afterAll(() => {
  for (const path of [directory, onDisk]) rmSync(path, { recursive: true, force: true });
});

const traceProcessor = findTraceProcessor();
const reason = noRecordingReason() ?? ("reason" in traceProcessor ? traceProcessor.reason : undefined);
if (reason !== undefined) console.log(`exports against trace_processor: skipped: ${reason}`);
const folder = "folder" in traceProcessor ? traceProcessor.folder : "";

/**
 * The count takes some ticks, behind which there are soft interrupts. The markers, of which there is one each, come last: where a busy
 * machine has more events than the ring buffer holds, the first ones are lost.
 */
const workload = `
  find /usr/share -maxdepth 1 > /dev/null; head -c 300000 /proc/self/exe > ${onDisk}/junk
  sync ${onDisk}/junk; ls -l /usr/lib/systemd > /dev/null 2>&1; sleep 0.05
  i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done
  echo 'plain words' > $I/trace_marker
  echo 'B|1|a slice' > $I/trace_marker; sleep 0.02; echo 'E|1' > $I/trace_marker`;

const queries = [
  // The recording may end within one, which is the last of its CPU then.
  "select count(*) n, sum(dur < 0 and ts < (select max(ts) from slice l where l.track_id = s.track_id)) open from slice s join cpu_track t on s.track_id = t.id where t.name like '%softirq%' or t.type like '%softirq%'",
  "select extract_arg(arg_set_id, 'function') f from ftrace_event where name = 'workqueue_execute_start' limit 1",
  "select name, str_value from metadata where name in ('system_name', 'system_release', 'system_machine')",
  "select name, dur from slice where name = 'a slice'",
  "select extract_arg(arg_set_id, 'bytes_req') b, extract_arg(arg_set_id, 'gfp_flags') g from ftrace_event where name = 'kmalloc' limit 1",
];

describe.skipIf(reason !== undefined)("a Perfetto trace of this machine", () => {
  const path = join(directory, "trace.dat");
  const lossy = join(directory, "lossy.dat");
  let checked: ExportCheck[] = [];
  beforeAll(() => {
    if (reason !== undefined) return;
    recordLocally(path, {
      events: [
        "sched",
        "irq",
        "irq_vectors",
        "raw_syscalls",
        "workqueue",
        "timer",
        "kmem",
        "task",
        "block",
        "power",
        "signal",
        "ext4",
        "tcp",
        "writeback",
      ],
      bufferKb: 16_384,
      workload,
    });
    recordLoss(lossy, 200);
    checked = checkExports(folder, [
      { path, queries },
      { path: lossy, queries: [] },
    ]);
  });

  test("has every event with its name, CPU and task, slices for interrupts and system calls, and no errors", () => {
    const { counts, answers } = checked[0]!;
    expect(counts.size).toBeGreaterThan(30);
    const [softirqs = [], symbols = [], info = [], marker = [], fields = []] = answers;
    expect(Number(softirqs[0]?.["n"])).toBeGreaterThan(0);
    expect(softirqs[0]?.["open"]).toBe(0);
    expect(String(symbols[0]?.["f"])).toMatch(/^[a-z_]\w+/);
    expect(info.find((row) => row["name"] === "system_release")?.["str_value"]).toBe(
      spawnSync("uname", ["-r"], { encoding: "utf8" }).stdout.trim(),
    );
    expect(Number(marker[0]?.["dur"])).toBeGreaterThan(10_000_000);
    expect(Number(fields[0]?.["b"])).toBeGreaterThan(0);
  }, 300_000);

  test("tells of losses on the CPUs where they were", () => {
    const { stats } = checked[1]!;
    expect(stats.some((row) => row["name"] === "ftrace_cpu_has_data_loss")).toBe(true);
  }, 300_000);

  test("is written by the export command", () => {
    const output = join(directory, "by-command.pftrace");
    const { status, stdout, stderr } = spawnSync(executable, ["export", path, "-o", output], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/by-command\.pftrace: \d+ events, \d+ lost/);
    expect(existsSync(`${path}.pftrace`)).toBe(true);
  }, 300_000);
});
