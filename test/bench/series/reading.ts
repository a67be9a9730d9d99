/** What `report` costs by the size of the recording, small ones too, beside `trace-cmd report` of the same file. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordLocally } from "../../support/local-recording.ts";
import { whyNoTools } from "../../support/packages.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { buildEmptyProgram } from "../support/empty-program.ts";
import type { Figure, Series } from "../support/series.ts";

/** About how many events; the most that is wanted of trace-cmd's CPU time; pairs at most: the largest takes a minute each. */
const sizes = [
  { events: 150, ratio: undefined, pairsMax: Infinity },
  { events: 80_000, ratio: 1, pairsMax: Infinity },
  { events: 1_800_000, ratio: 0.3, pairsMax: 3 },
  { events: 16_000_000, ratio: 0.15, pairsMax: 1 },
] as const;

/** Events of one byte that is copied: two system calls, and what else goes on. */
const eventsPerByte = 5;
/** Ring buffer of one event, with room to spare. */
const bytesPerEvent = 80;

export const reading: Series = {
  name: "reading",
  title: "report by the number of events, beside trace-cmd",
  guest: false,
  skipReason: async () => reasonWithoutTracefs() ?? (await whyNoTools("trace-cmd")),
  run: async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    const figures: Figure[] = [];
    const notes: string[] = [];
    try {
      const empty = await buildEmptyProgram(folder);
      const floor = Array.from({ length: context.tiny ? 1 : context.pairs }, () => costOf([empty]).cpuMs);
      figures.push({ name: "an empty program of the same runtime: CPU", unit: "ms", ours: floor });
      for (const { events, ratio, pairsMax } of context.tiny ? sizes.slice(0, 1) : sizes) {
        const file = join(folder, "trace.dat");
        record(file, events);
        const pairs = Array.from({ length: Math.min(context.pairs, pairsMax) }, () => ({
          ours: costOf([agentExecutable, "report", file]),
          peer: costOf(["trace-cmd", "report", "-i", file]),
        }));
        const figure = (what: string, unit: string, of: (cost: Cost) => number): Figure => ({
          name: `${events} events: ${what}`,
          unit,
          ours: pairs.map(({ ours }) => of(ours)),
          peer: { name: "trace-cmd report", values: pairs.map(({ peer }) => of(peer)) },
        });
        const reach = ratio === undefined ? {} : { reach: { ratio, is: "most" } as const };
        figures.push({ ...figure("CPU", "ms", ({ cpuMs }) => cpuMs), ...reach });
        figures.push(figure("time", "ms", ({ wallMs }) => wallMs));
        figures.push(figure("largest resident memory", "MiB", ({ peakMiB }) => peakMiB));
        notes.push(`${events} events: ${(statSync(file).size / 1e6).toFixed(1)} MB`);
        rmSync(file);
      }
      return { figures, notes: [`${notes.join(", ")}; all write to /dev/null; resident: the executable's pages too`] };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** Copying byte by byte makes system calls, and with them events, as fast as can be. */
function record(file: string, events: number): void {
  const work = ["if=/dev/zero", "of=/dev/null", "bs=1", `count=${Math.ceil(events / eventsPerByte)}`, "status=none"];
  recordLocally(file, {
    events: events < 1000 ? ["sched"] : ["raw_syscalls", "sched", "irq"],
    bufferKb: 1024 + Math.ceil((events * bytesPerEvent) / 1024),
    workload: () => void spawnSync("dd", work),
  });
}

type Cost = { cpuMs: number; wallMs: number; peakMiB: number };

function costOf(command: string[]): Cost {
  const begin = performance.now();
  const { exitCode, resourceUsage } = Bun.spawnSync(["setpriv", "--pdeathsig", "KILL", "--", ...command], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit code ${exitCode}`);
  return {
    cpuMs: Number(resourceUsage.cpuTime.total) / 1000,
    wallMs: performance.now() - begin,
    peakMiB: resourceUsage.maxRSS / 2 ** 20,
  };
}
