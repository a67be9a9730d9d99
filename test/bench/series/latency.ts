/** How long an event takes from trace_marker to the reader of its port. */
import { liveHoldMs } from "../../../src/timeline/live-events.ts";
import { eventually } from "../../support/agent-process.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { runChild } from "../support/child.ts";
import { benchProgram } from "../support/programs.ts";
import { type Contender, Rig, warmedUpMs } from "../support/rig.ts";
import type { Figure, Series } from "../support/series.ts";
import { percentile } from "../support/statistics.ts";
import { contenders } from "./drain.ts";

const rates = [1, 100, 10_000];

type Run = { p50: number; p99: number; arrived: number };

export const latency: Series = {
  name: "latency",
  title: "from an event to the reader of its port, by events per second",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const rig = new Rig("latency");
    const figures: Figure[] = [];
    try {
      rig.tracefs.reset();
      for (const rate of context.tiny ? [1000] : rates) {
        const seconds = context.tiny ? 0.2 : rate === 1 ? 10 : 5;
        const runs: Record<Contender, Run[]> = { ours: [], C: [] };
        for (let pair = 0; pair < Math.min(context.pairs, 3); pair++) {
          for (const contender of contenders(context, pair)) {
            rig.tracefs.write("trace", "");
            await rig.startSink("stamps");
            await rig.startAgent(contender, context.kernelAgent, context.tiny ? 0 : warmedUpMs);
            rig.startRun(context.latencyMs);
            await Bun.sleep(100);
            const words = [
              benchProgram("workload"),
              "stamps",
              `${rig.tracefs.path}/trace_marker`,
              `${rig.cpus[0] ?? 0}`,
              `${rate}`,
              `${seconds}`,
            ];
            const written = Number(await runChild(words));
            await Bun.sleep(700);
            // Of a machine that stands still that long there would be no figure at all. C reads whole sub-buffers only.
            if (contender === "ours") await eventually(() => rig.counts.read > 0, "the agent reads");
            await rig.endAgent();
            const times = (await rig.endSink()).map((line) => Number(line) / 1000);
            runs[contender].push({
              p50: percentile(times, 0.5),
              p99: percentile(times, 0.99),
              arrived: (times.length / written) * 100,
            });
          }
        }
        const figure = (name: string, unit: string, of: (run: Run) => number): Figure => ({
          name: `${rate}/s: ${name}`,
          unit,
          ours: runs.ours.map(of),
          ...(runs.C.length > 0 ? { peer: { name: "C", values: runs.C.map(of) } } : {}),
        });
        figures.push(figure("p50", "ms", (run) => run.p50));
        // What the host allows for when it puts events in order.
        const reach = liveHoldMs(context.latencyMs);
        figures.push({ ...figure("p99", "ms", (run) => run.p99), reach: { value: reach, is: "most" } });
        figures.push(figure("arrived within 0.7 s of the last", "%", (run) => run.arrived));
      }
      return {
        figures,
        notes: [
          "through FIFOs on one machine, where both ends have the same clock; default buffers (1.4 MiB per CPU); percentiles of what arrived",
          `latency_ms ${context.latencyMs}`,
        ],
      };
    } finally {
      await rig.close();
    }
  },
};
