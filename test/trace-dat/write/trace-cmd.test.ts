/** Real recordings of this machine's kernel, written by us and read by trace-cmd. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { collectMetadata } from "../../../src/guest/control/metadata.ts";
import type { Recording } from "../../../src/trace-dat/write/recording.ts";
import { writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { parseHeaderPage } from "../../../src/ring-buffer/sub-buffer.ts";
import { noRecordingReason, recordLocally } from "../../support/local-recording.ts";
import { whyNoTools } from "../../support/packages.ts";
import { runTraceCmd } from "../../support/trace-cmd.ts";

const reason = noRecordingReason() ?? (await whyNoTools("trace-cmd"));
if (reason !== undefined) console.warn(`skipped: trace-cmd reads our files (${reason})`);

function traceCmd(...args: string[]): string {
  const { status, stdout, stderr } = runTraceCmd(args);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  return stdout;
}

describe.skipIf(reason !== undefined)("trace-cmd", () => {
  test("reads the same out of our files of both versions as out of a plain one", () => {
    const directory = mkdtempSync(`${tmpdir()}/trace-dat-`);
    try {
      // Nothing of what else a busy machine does: the ring buffer has room for this.
      const workload = "for i in 1 2 3 4 5 6 7 8; do sleep 0.01; done";
      const data = recordLocally(`${directory}/plain.dat`, {
        events: ["sched", "timer", "irq"],
        workload,
        clock: "mono",
      });
      const collected = collectMetadata("/sys/kernel/tracing");
      const layout = parseHeaderPage(collected.headerPage ?? "")!;
      const metadata = {
        ...collected,
        traceClock: "local global counter uptime perf [mono] mono_raw boot tai\n",
        cpuStats: [
          { cpu: 0, text: "entries: 11\noverrun: 22\n" },
          ...collected.cpuStats.filter(({ cpu }) => cpu !== 0),
        ],
      };
      const streams = data.map((bytes, cpu) => {
        writeFileSync(`${directory}/cpu${cpu}`, bytes);
        return { cpu, path: `${directory}/cpu${cpu}`, skipBytes: 0, bytes: bytes.length };
      });
      // A CPU without data stands between those that have some.
      const cpus = data.length + 1;
      const recording: Recording = { metadata, layout, cpus, streams, version: "trace-agent test", traceId: 7n };
      const expected = withoutHead(traceCmd("report", "-t", "-i", `${directory}/plain.dat`));
      expect(expected).toContain("sched_switch");
      const events = expected.split("\n").filter((line) => line !== "" && !line.startsWith("CPU:")).length;
      for (const format of ["v6", "v7"] as const) {
        const path = `${directory}/${format}.dat`;
        const tally = writeTraceDat(path, recording, format);
        const report = traceCmd("report", "-t", "-i", path);
        expect(report).toMatch(new RegExp(`^cpus=${cpus}$`, "m"));
        expect(withoutNames(withoutHead(report))).toBe(withoutNames(expected));
        expect(tally.cpus.reduce((sum, cpu) => sum + cpu.events, 0)).toBe(events);
        expect(traceCmd("report", "--stat", "-i", path)).toContain("CPU: 0\nentries: 11\noverrun: 22\n");
        expect(traceCmd("dump", "-v", "-i", path)).toContain("is a valid trace-cmd file");
        const summary = traceCmd("dump", "--options", "-i", path);
        expect(summary).toContain("trace-agent test");
        expect(summary).toContain("[mono]");
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

/** Without the number of CPUs, and those on which nothing happened meanwhile: theirs are told before it or behind it. */
function withoutHead(report: string): string {
  return report.replaceAll(/^(?:CPU \d+ is empty|cpus=\d+)\n/gm, "");
}

/** saved_cmdlines were read at another time for the plain file: tasks may bear newer names. */
function withoutNames(report: string): string {
  return report.replaceAll(/^ *\S.*?-(\d+) +\[/gm, "$1 [");
}
