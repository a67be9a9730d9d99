import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError } from "../../src/errors.ts";
import { openRecording } from "../../src/host/open-recording.ts";
import { type ReportOptions, writeReport } from "../../src/host/report.ts";
import { setLogLevel } from "../../src/log.ts";
import { noRecordingReason, recordLocally } from "../support/local-recording.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-report-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const hasTraceCmd = spawnSync("trace-cmd", ["--version"]).status !== null;
const reason = noRecordingReason() ?? (hasTraceCmd ? undefined : "no trace-cmd to compare with");
if (reason !== undefined) console.log(`report against trace-cmd: skipped: ${reason}`);

/** Work of many kinds: files, processes, sockets, timers, markers. */
function workload(instance: string): void {
  const script = `
    for i in 1 2 3; do echo "marker $i" > ${instance}/trace_marker; done
    printf '\\001\\000\\000\\000abcdefgh' > ${instance}/trace_marker_raw
    find /usr/share -name '*.gz' 2>/dev/null | head -40 | xargs cat > ${directory}/junk 2>/dev/null
    sync ${directory}/junk
    dd if=${directory}/junk of=/dev/null iflag=direct bs=64k 2>/dev/null
    ls -lR /usr/lib/systemd > /dev/null 2>&1
    sleep 0.1
    bash -c 'exec 3<>/dev/tcp/127.0.0.1/1' 2>/dev/null
    rm -f ${directory}/junk`;
  spawnSync("sh", ["-c", script], { stdio: "ignore" });
}

const systems = [
  "sched", "irq", "irq_vectors", "syscalls", "raw_syscalls", "kmem", "block", "workqueue", "timer", "ext4", "jbd2", "task", "signal",
  "writeback", "filemap", "rcu", "skb", "net", "sock", "tcp", "udp", "napi", "power", "cgroup", "exceptions", "ipi", "csd", "percpu", "mmap",
  "mmap_lock", "vmalloc", "tlb", "pagemap", "io_uring", "vmscan", "compaction", "printk", "fib", "neigh", "tmigr", "msr", "x86_fpu",
];

let recorded: string | undefined;
function recording(): string {
  if (recorded === undefined) {
    recorded = join(directory, "trace.dat");
    recordLocally(recorded, { events: systems, bufferKb: 16_384, workload });
  }
  return recorded;
}

function report(path: string, options: Partial<ReportOptions> = {}): string {
  const source = openRecording(path);
  const parts: Buffer[] = [];
  try {
    writeReport(source, { form: "text", ...options }, (bytes) => parts.push(Buffer.from(bytes)));
  } finally {
    source.close();
  }
  return Buffer.concat(parts).toString("latin1");
}

function traceCmdReport(path: string, ...options: string[]): string {
  const { stdout, stderr, status } = spawnSync("trace-cmd", ["report", ...options, path], { maxBuffer: 1 << 30, encoding: "latin1" });
  if (status !== 0) throw new Error(`trace-cmd report ${path}: ${status}: ${stderr}`);
  return stdout;
}

/**
 * Where Debian's trace-cmd 3.1.6 (libtraceevent 1.7.1) is known to say something else, the line as it would be right:
 * - the states of a switched task are shown by the letters of older kernels: I as W, Z as X;
 * - `REC->flags & (A | B)` is computed as `REC->flags & A | B`: timer_start has all flags;
 * - the print fmts of maple_tree and some others are not understood, and their fields are shown.
 */
function knownDifference(theirs: string): string | undefined {
  if (theirs.includes(" sched_switch: ")) return theirs.replace("] W ==> ", "] I ==> ").replace("] X ==> ", "] Z ==> ");
  if (theirs.includes(" timer_start: ")) return "";
  return theirs.includes("[FAILED TO PARSE]") ? "" : undefined;
}

describe.skipIf(reason !== undefined)("a recording of this machine", () => {
  test("prints as trace-cmd report does: the same lines but for the known differences", () => {
    const theirs = traceCmdReport(recording()).split("\n");
    const ours = report(recording()).split("\n");
    expect(ours.length).toBe(theirs.length);
    expect(ours.length).toBeGreaterThan(2_000);
    const events = (lines: string[]): string[] => lines.map((line) => line.slice(0, line.indexOf(": ", 45)));
    expect(events(ours)).toEqual(events(theirs));
    const differing = ours.flatMap((line, index) => {
      const other = theirs[index] ?? "";
      if (line === other) return [];
      const right = knownDifference(other);
      return right === "" || right === line ? [] : [{ ours: line, theirs: other }];
    });
    const known = ours.filter((line, index) => line !== theirs[index]).length - differing.length;
    console.log(`report: ${ours.length} lines, ${known} known differences, ${differing.length} others`);
    // New kernels bring new kinds of text: at least 99 % of the lines are the same.
    if (differing.length > 0) console.log(differing.slice(0, 3));
    expect(differing.length + known).toBeLessThan(ours.length / 100);
  }, 120_000);

  test("a version 7 file, compressed with zstd, prints the same", () => {
    const packed = join(directory, "packed.dat");
    const { status, stderr } = spawnSync("trace-cmd", ["convert", "-i", recording(), "-o", packed, "--file-version", "7", "--compression", "zstd"], {
      encoding: "utf8",
    });
    if (status !== 0) {
      console.log(`version 7: skipped: trace-cmd convert: ${stderr}`);
      return;
    }
    expect(report(packed)).toBe(report(recording()));
  }, 120_000);

  test("-e, --cpu, --pid and --from pick what they say", () => {
    const all = report(recording()).split("\n");
    expect(report(recording(), { events: ["sched_switch"] }).split("\n").slice(1)).toEqual(all.filter((line) => line === "" || line.includes(": sched_switch: ")));
    expect(report(recording(), { cpus: [1] }).split("\n").slice(1)).toEqual(all.filter((line) => line === "" || line.includes(" [001] ")));
    const middle = all[Math.floor(all.length / 2)] ?? "";
    const [, pid, time = ""] = /-(\d+)\s+\[\d+\]\s+(\d+\.\d+):/.exec(middle) ?? [];
    const ofTask = report(recording(), { pids: [Number(pid)] }).split("\n").slice(1, -1);
    expect(ofTask.length).toBeGreaterThan(0);
    expect(ofTask.every((line) => line.includes(`-${pid} `))).toBe(true);
    const later = report(recording(), { from: time }).split("\n");
    expect(Math.abs(later.length - all.length / 2)).toBeLessThan(all.length / 20);
  }, 60_000);

  test("--json gives every event with its fields", () => {
    const lines = report(recording(), { form: "json" }).trimEnd().split("\n");
    const objects = lines.map((line) => JSON.parse(line) as { event: string; fields: Record<string, unknown>; time: number });
    expect(objects.length).toBe(report(recording()).split("\n").length - 2);
    expect(objects.every(({ time }, index) => index === 0 || time >= (objects[index - 1]?.time ?? 0))).toBe(true);
    const change = objects.find(({ event }) => event === "sched_switch");
    expect(Object.keys(change?.fields ?? {})).toContain("prev_comm");
    expect(typeof change?.fields["next_pid"]).toBe("number");
  }, 60_000);

  test("--stat counts what the text shows", () => {
    const summary = report(recording(), { form: "summary" });
    const switches = report(recording(), { events: ["sched:sched_switch"] }).split("\n").length - 2;
    expect(summary).toMatch(new RegExp(`^sched:sched_switch +${switches} `, "m"));
    expect(summary).toContain("lost      0 events");
    expect(summary).toMatch(/^WAKE-UPS +P50 US +P99 US +MAX US$/m);
  }, 60_000);

  test("| head ends it silently", () => {
    const { stdout, stderr, status } = spawnSync(
      "sh",
      ["-c", `"${process.execPath}" src/main.ts report ${recording()} 2>${directory}/err | head -n 3; cat ${directory}/err`],
      { encoding: "utf8" },
    );
    expect({ status, stderr, lines: stdout.split("\n").length }).toEqual({ status: 0, stderr: "", lines: 4 });
  }, 60_000);

  test("lost events are shown where they were lost, as trace-cmd shows them", () => {
    const path = join(directory, "lossy.dat");
    recordLocally(path, { events: ["raw_syscalls", "kmem"], bufferKb: 8, workload });
    const bytes = readFileSync(path);
    const ours = report(path);
    expect(ours === traceCmdReport(path)).toBe(true);
    // The kernel told how many were lost; take the number away from one sub-buffer.
    expect(/^CPU:\d \[\d+ EVENTS DROPPED\]$/m.test(ours)).toBe(true);
    expect(/^\{"cpu":\d,"lost":\d+\}$/m.test(report(path, { form: "json" }))).toBe(true);
    const table = bytes.indexOf("flyrecord") + 10;
    for (const cpu of [0, 1]) {
      const place = Number(bytes.readBigUInt64LE(table + cpu * 16));
      if (bytes.readBigUInt64LE(table + cpu * 16 + 8) === 0n) continue;
      bytes.writeUInt32LE(((bytes.readUInt32LE(place + 8) & ~0x4000_0000) | 0x8000_0000) >>> 0, place + 8);
    }
    writeFileSync(path, bytes);
    const uncounted = report(path);
    expect(uncounted === traceCmdReport(path)).toBe(true);
    expect(/^CPU:\d \[EVENTS DROPPED\]$/m.test(uncounted)).toBe(true);
    expect(report(path, { form: "json" }).includes('"lost":null}')).toBe(true);
  }, 60_000);
});

describe("a file that is no recording", () => {
  const said = (content: string | Buffer): string => {
    const path = join(directory, "bad");
    writeFileSync(path, content);
    try {
      report(path);
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
    expect(said(Buffer.from("\x17\x08\x44tracing9\0\0\x08\0\x10\0\0", "latin1"))).toBe('cannot read "FILE": version "9" of trace.dat');
  });

  test.skipIf(noRecordingReason() !== undefined)("cut short or with bytes changed, it gives an error or a report, never anything else", () => {
    const path = join(directory, "cut.dat");
    const good = join(directory, "small.dat");
    recordLocally(good, { events: ["sched/sched_switch"], bufferKb: 64, workload: () => Bun.sleepSync(50) });
    const whole = readFileSync(good);
    const outcome = (): void => {
      try {
        report(path);
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
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
    const rounds = process.env["TRACE_AGENT_LONG_TESTS"] === "1" ? 1_000 : 30;
    for (let round = 0; round < rounds; round++) {
      const bytes = Buffer.from(whole);
      // Headers, tables and events are each hit.
      for (let change = 0; change < 8; change++) if (round % 3 === 0 && change === 0) bytes[random(64)] = random(256);
      for (let change = 0; change < 20; change++) bytes[random(dataStart)] = random(256);
      for (let change = 0; change < 200 && dataStart < bytes.length; change++) bytes[dataStart + random(bytes.length - dataStart)] = random(256);
      writeFileSync(path, bytes);
      outcome();
    }
    setLogLevel("info");
  }, 120_000);
});
