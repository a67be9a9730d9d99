/** What looking at a recording costs: `report` and `export` beside `trace-cmd report` of the same file. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordLocally } from "../../support/local-recording.ts";
import { whyNoTools } from "../../support/packages.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { runChild } from "../support/child.ts";
import type { Series } from "../support/series.ts";

export const report: Series = {
  name: "report",
  title: "a recording as text, and for Perfetto, beside trace-cmd",
  guest: false,
  skipReason: async () => reasonWithoutTracefs() ?? (await whyNoTools("trace-cmd")),
  run: async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    const file = join(folder, "trace.dat");
    const values = { report: [] as number[], export: [] as number[], peer: [] as number[] };
    try {
      // Reading byte by byte makes system calls, and with them events, as fast as can be.
      const megabytes = context.tiny ? 1 : 100;
      const work = ["if=/dev/zero", "of=/dev/null", "bs=1", `count=${megabytes * 8000}`, "status=none"];
      recordLocally(file, {
        events: ["raw_syscalls", "sched", "irq"],
        bufferKb: megabytes * 1024,
        workload: () => void spawnSync("dd", work),
      });
      for (let pair = 0; pair < context.pairs; pair++) {
        values.report.push(await secondsOf([agentExecutable, "report", file]));
        values.peer.push(await secondsOf(["trace-cmd", "report", "-i", file]));
        values.export.push(await secondsOf([agentExecutable, "export", file, "-o", join(folder, "trace.pftrace")]));
      }
      const peer = { name: "trace-cmd report", values: values.peer };
      const reach = { ratio: 1 / 1.5, is: "most" } as const;
      return {
        figures: [
          { name: "report", unit: "s", ours: values.report, peer, reach },
          { name: "export", unit: "s", ours: values.export, peer, reach },
        ],
        notes: [`a file of ${Math.round(statSync(file).size / 1e6)} MB; report writes to /dev/null`],
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function secondsOf(command: string[]): Promise<number> {
  const begin = performance.now();
  await runChild(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...command]);
  return (performance.now() - begin) / 1000;
}
