import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError } from "../../../src/base/errors.ts";
import { setLogLevel } from "../../../src/base/log.ts";
import { noRecordingReason, recordLocally, recordLoss } from "../../support/local-recording.ts";
import { compareReports, noTraceCmdReason, ourReport, traceCmdReport } from "../../support/trace-cmd-report.ts";
import { inLongForm, isLong } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";
import { executable } from "../../support/agent-process.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-report-"));
/** Events of file systems and of disks come from there: the quick form's temporary files lie in memory. */
const onDisk = mkdtempSync("/var/tmp/trace-agent-report-");
afterAll(() => {
  for (const path of [directory, onDisk]) rmSync(path, { recursive: true, force: true });
});

const reason = noRecordingReason() ?? noTraceCmdReason();
if (reason !== undefined) console.log(`report against trace-cmd: skipped: ${reason}`);

/** Work of many kinds: files, processes, sockets, timers, markers. */
const workload = `
  for i in 1 2 3; do echo "marker $i" > $I/trace_marker; done
  printf '\\001\\000\\000\\000abcdefgh' > $I/trace_marker_raw
  find /usr/share -maxdepth 1 > /dev/null
  head -c 300000 /proc/self/exe > ${onDisk}/junk
  sync ${onDisk}/junk
  dd if=${onDisk}/junk of=/dev/null iflag=direct bs=64k 2>/dev/null
  ls -l /usr/lib/systemd > /dev/null 2>&1
  sleep 0.1
  bash -c 'exec 3<>/dev/tcp/127.0.0.1/1' 2>/dev/null
  rm -f ${onDisk}/junk`;

/** What the workload makes in every run. */
const usual = [
  "sched",
  "irq",
  "irq_vectors",
  "syscalls",
  "raw_syscalls",
  "kmem/kmalloc",
  "kmem/kfree",
  "kmem/kmem_cache_alloc",
  "kmem/mm_page_alloc",
  "block",
  "workqueue",
  "timer",
  "ext4",
  "jbd2",
  "task",
  "signal",
  "writeback",
  "filemap",
  "skb",
  "net",
  "sock",
  "tcp",
];
/** What else a kernel may happen to do meanwhile: which of these events there are, and with what in them, is luck. */
const rare = [
  "kmem",
  "rcu",
  "udp",
  "napi",
  "power",
  "cgroup",
  "exceptions",
  "ipi",
  "csd",
  "percpu",
  "mmap",
  "mmap_lock",
  "vmalloc",
  "tlb",
  "pagemap",
  "io_uring",
  "vmscan",
  "compaction",
  "printk",
  "fib",
  "neigh",
  "tmigr",
  "msr",
  "x86_fpu",
];
const systems = isLong ? [...usual, ...rare] : usual;

let recorded: string | undefined;
/**
 * Without the first line, and without those that tell of losses, which a busy machine may have. Without the names of tasks: those
 * that the kernel has forgotten are learned of events, so that a part of the events may know fewer.
 */
function eventLines(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("cpus=") && !line.startsWith("CPU:"))
    .map((line) => line.replace(/^.*?-(\d+) +\[/, "-$1 ["));
}

let text: string | undefined;
/** Of the whole recording; read once, for it is long. */
const wholeReport = (): string => (text ??= ourReport(recording()));

function recording(): string {
  if (recorded === undefined) {
    recorded = join(directory, "trace.dat");
    recordLocally(recorded, { events: systems, bufferKb: 16_384, workload });
  }
  return recorded;
}

describe.skipIf(reason !== undefined)("a recording of this machine", () => {
  test("prints as trace-cmd report does: the same lines but for the known differences", () => {
    const { lines, known, others } = compareReports(recording());
    console.log(`report: ${lines} lines, known differences:`, known);
    expect(others.slice(0, 5)).toEqual([]);
    expect(lines).toBeGreaterThan(2_000);
  }, 300_000);

  test.each(["none", "zstd"])(
    "a version 7 file of compression %s prints the same",
    (compression) => {
      const packed = join(directory, "packed.dat");
      const args = ["convert", "-i", recording(), "-o", packed, "--file-version", "7", "--compression", compression];
      const { status, stderr } = spawnSync("trace-cmd", args, { encoding: "utf8" });
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
      expect(ourReport(packed) === wholeReport()).toBe(true);
    },
    300_000,
  );

  test("-e, --cpu, --pid and --from pick what they say", () => {
    const all = eventLines(wholeReport());
    const picked = (options: Parameters<typeof ourReport>[1]): string[] => eventLines(ourReport(recording(), options));
    expect(picked({ events: ["sched_switch"] })).toEqual(all.filter((line) => line.includes(": sched_switch: ")));
    expect(picked({ events: ["softirq_*", "kmem:kmall*"] })).toEqual(
      all.filter((line) => /: (?:softirq_\w+|kmalloc\w*): /.test(line)),
    );
    expect(picked({ cpus: [1] })).toEqual(all.filter((line) => line.includes(" [001] ")));
    const middle = all[Math.floor(all.length / 2)] ?? "";
    const [, pid, time = ""] = /-(\d+)\s+\[\d+\]\s+(\d+\.\d+):/.exec(middle) ?? [];
    const ofTask = picked({ pids: [Number(pid)] });
    expect(ofTask.length).toBeGreaterThan(0);
    expect(ofTask.every((line) => line.includes(`-${pid} `))).toBe(true);
    // By the times that are shown, in microseconds.
    const shown = all.map((line) => BigInt(/\] +(\d+)\.(\d{6}):/.exec(line)?.slice(1).join("") ?? -1));
    const limit = BigInt(time.replace(".", ""));
    expect(picked({ to: time })).toEqual(all.filter((_, index) => shown[index]! <= limit));
    expect(picked({ from: time })).toEqual(all.filter((_, index) => shown[index]! >= limit));
  }, 300_000);

  test("--json gives every event with its fields", () => {
    const lines = ourReport(recording(), { form: "json" }).trimEnd().split("\n");
    const objects = lines
      .map((line) => JSON.parse(line) as { event: string; fields: Record<string, unknown>; time: number })
      .filter(({ event }) => event !== undefined);
    expect(objects.length).toBe(eventLines(wholeReport()).length);
    expect(objects.every(({ time }, index) => index === 0 || time >= (objects[index - 1]?.time ?? 0))).toBe(true);
    const change = objects.find(({ event }) => event === "sched_switch");
    expect(Object.keys(change?.fields ?? {})).toContain("prev_comm");
    expect(typeof change?.fields["next_pid"]).toBe("number");
  }, 300_000);

  test("--stat counts what the text shows", () => {
    const summary = ourReport(recording(), { form: "summary" });
    const switches = eventLines(ourReport(recording(), { events: ["sched:sched_switch"] })).length;
    expect(summary).toMatch(new RegExp(`^sched:sched_switch +${switches} `, "m"));
    // Of a busy machine's losses the kernel may not have said how many.
    expect(summary).toMatch(/^lost      (?:\d+ events|an unknown number)/m);
    expect(summary).toMatch(/^WAKE-UPS +P50 US +P99 US +MAX US$/m);
  }, 300_000);

  test("| head ends it silently", () => {
    const { stdout, stderr, status } = spawnSync(
      "sh",
      ["-c", `"${executable}" report ${recording()} 2>${directory}/err | head -n 3; cat ${directory}/err`],
      { encoding: "utf8" },
    );
    expect({ status, stderr, lines: stdout.split("\n").length }).toEqual({ status: 0, stderr: "", lines: 4 });
  }, 300_000);

  test("lost events are shown where they were lost, as trace-cmd shows them", () => {
    const path = join(directory, "lossy.dat");
    const count = 200;
    recordLoss(path, count);
    const ours = ourReport(path);
    expect(ours === traceCmdReport(path)).toBe(true);
    const lines = ours.trimEnd().split("\n").slice(1);
    const lost = count - (lines.length - 1);
    expect(lost).toBeGreaterThan(count / 2);
    expect(lines[0]).toBe(`CPU:0 [${lost} EVENTS DROPPED]`);
    expect(lines[1]).toContain(`MARK ${lost + 1} `);
    expect(ourReport(path, { form: "json" }).split("\n")[0]).toBe(`{"cpu":0,"lost":${lost}}`);

    // The same where the kernel had no room to say how many.
    const bytes = readFileSync(path);
    const place = Number(bytes.readBigUInt64LE(bytes.indexOf("flyrecord") + 10));
    bytes.writeUInt32LE((bytes.readUInt32LE(place + 8) & ~0x4000_0000) >>> 0, place + 8);
    writeFileSync(path, bytes);
    const uncounted = ourReport(path);
    expect(uncounted === traceCmdReport(path)).toBe(true);
    expect(uncounted.split("\n")[1]).toBe("CPU:0 [EVENTS DROPPED]");
    expect(ourReport(path, { form: "json" }).split("\n")[0]).toBe('{"cpu":0,"lost":null}');
  }, 300_000);
});

describe("a file that is no recording", () => {
  const said = (content: string | Buffer): string => {
    const path = join(directory, "bad");
    writeFileSync(path, content);
    try {
      ourReport(path);
    } catch (error) {
      if (error instanceof AgentError) return error.message.replace(path, "FILE");
      throw error;
    }
    return "nothing";
  };

  test("says what it is instead", () => {
    expect(said("hello, world, this is text")).toBe('cannot read "FILE": it is no trace.dat');
    expect(said("")).toBe('cannot read "FILE": the file is damaged: it ends too early');
    expect(said(Buffer.from("\x17\x08\x44tracing5\0", "latin1"))).toContain("the file is damaged");
    expect(said(Buffer.from("\x17\x08\x44tracing9\0\0\x08\0\x10\0\0", "latin1"))).toBe(
      'cannot read "FILE": version "9" of trace.dat',
    );
  });

  test.skipIf(noRecordingReason() !== undefined)(
    "cut short or with bytes changed, it gives an error or a report, never anything else",
    () => {
      const path = join(directory, "cut.dat");
      const good = join(directory, "small.dat");
      recordLocally(good, { events: ["sched/sched_switch"], bufferKb: 64, workload: "sleep 0.05; sleep 0.05" });
      const whole = readFileSync(good);
      let [reports, errors] = [0, 0];
      const outcome = (): void => {
        try {
          ourReport(path);
          reports++;
        } catch (error) {
          if (!(error instanceof AgentError)) throw error;
          errors++;
        }
      };
      for (let part = 0; part < 40; part++) {
        writeFileSync(path, whole);
        truncateSync(path, Math.floor((whole.length * part) / 40));
        outcome();
      }
      setLogLevel("silent");
      let seed = 7;
      const random = (below: number): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return Math.floor((seed / 2 ** 32) * below);
      };
      const dataStart = Number(whole.readBigUInt64LE(whole.indexOf("flyrecord") + 10));
      const rounds = inQuickForm(12, inLongForm(30, 1_000));
      for (let round = 0; round < rounds; round++) {
        const bytes = Buffer.from(whole);
        // Headers, tables and events are each hit.
        for (let change = 0; change < 8; change++) if (round % 3 === 0 && change === 0) bytes[random(64)] = random(256);
        for (let change = 0; change < 20; change++) bytes[random(dataStart)] = random(256);
        for (let change = 0; change < 200 && dataStart < bytes.length; change++)
          bytes[dataStart + random(bytes.length - dataStart)] = random(256);
        writeFileSync(path, bytes);
        outcome();
      }
      setLogLevel("info");
      // Neither of them all: the head decides, and not every round changes it.
      expect(reports).toBeGreaterThan(0);
      expect(errors).toBeGreaterThan(20);
    },
    300_000,
  );
});
