/** What Parquet tables cost: `export --parquet`, beside hyparquet-writer with our reader in Bun, which makes the events' tables only. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordLocally } from "../../support/local-recording.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import type { Figure, Series } from "../support/series.ts";

/** Wanted: so many events per second of CPU time, in so much memory. */
const eventsPerSecond = 1_000_000;
const memoryMiB = 256;

export const parquet: Series = {
  name: "parquet",
  title: "a recording as Parquet tables, beside hyparquet-writer",
  guest: false,
  skipReason: () => reasonWithoutTracefs(),
  run: (context) => {
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    try {
      const file = join(folder, "trace.dat");
      // Two tasks that wake each other by a pipe, as fast as they can.
      const bytes = context.tiny ? 200 : 250_000;
      const copy = `dd if=/dev/zero bs=64 count=${bytes} status=none | dd of=/dev/null bs=64 status=none`;
      recordLocally(file, {
        events: ["sched", "irq", "raw_syscalls"],
        bufferKb: context.tiny ? 2_048 : 262_144,
        workload: () => void spawnSync("sh", ["-c", `${copy} & ${copy}; wait`]),
      });
      const pairs = Array.from({ length: context.pairs }, () => {
        const [ours, theirs] = [join(folder, "ours"), join(folder, "theirs")];
        for (const path of [ours, theirs]) {
          rmSync(path, { recursive: true, force: true });
          mkdirSync(path);
        }
        const peer = join(import.meta.dir, "../support/hyparquet-export.ts");
        return {
          ours: costOf([agentExecutable, "export", "--parquet", ours, file], ours),
          peer: costOf([process.execPath, peer, file, theirs], theirs),
        };
      });
      const figure = (name: string, unit: string, of: (cost: Cost) => number): Figure => ({
        name,
        unit,
        ours: pairs.map(({ ours }) => of(ours)),
        peer: { name: "hyparquet-writer", values: pairs.map(({ peer }) => of(peer)) },
      });
      const events = pairs[0]?.ours.events ?? 0;
      return Promise.resolve({
        figures: [
          { ...figure("CPU", "s", ({ cpuSeconds }) => cpuSeconds), reach: { ratio: 0.5, is: "most" } },
          {
            name: "events per second of CPU",
            unit: "/s",
            ours: pairs.map(({ ours }) => events / ours.cpuSeconds),
            reach: { value: eventsPerSecond, is: "least" },
          },
          { ...figure("peak memory", "MiB", ({ peakMiB }) => peakMiB), reach: { value: memoryMiB, is: "most" } },
          figure("size", "MB", ({ bytes: size }) => size / 1e6),
        ],
        notes: [
          `${events} events, ${Math.round(statSync(file).size / 1e6)} MB; ours: also slices, wake-ups, interrupts, losses, tasks, and names out of a first reading`,
        ],
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

type Cost = { cpuSeconds: number; peakMiB: number; bytes: number; events: number };

function costOf(command: string[], output: string): Cost {
  const { exitCode, resourceUsage, stdout, stderr } = Bun.spawnSync([
    "setpriv",
    "--pdeathsig",
    "KILL",
    "--",
    ...command,
  ]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit code ${exitCode}\n${stderr.toString()}`);
  const files = readdirSync(output, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".parquet"));
  return {
    cpuSeconds: Number(resourceUsage.cpuTime.total) / 1e6,
    peakMiB: resourceUsage.maxRSS / 1024 / 1024,
    bytes: files.reduce((sum, name) => sum + statSync(join(output, name)).size, 0),
    events: Number(/: (\d+) events/.exec(stdout.toString())?.[1] ?? 0),
  };
}
