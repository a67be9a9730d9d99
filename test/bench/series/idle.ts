/** What an agent costs that has nothing to do: wake-ups and CPU of the whole process. */
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { cpuTimeNs } from "../support/child.ts";
import { switchesPerSecond } from "../support/process.ts";
import { type Contender, Rig } from "../support/rig.ts";
import type { Figure, Series } from "../support/series.ts";
import { contenders } from "./drain.ts";

export const idle: Series = {
  name: "idle",
  title: "an agent with nothing to do: armed, and running without events",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const rig = new Rig("idle");
    const seconds = context.tiny ? 0.2 : 10;
    const values = { armed: runs(), armedCpu: runs(), running: runs(), runningCpu: runs() };
    const measure = async (contender: Contender, switches: Runs, cpu: Runs): Promise<void> => {
      const before = await cpuTimeNs(rig.agentPid);
      switches[contender].push(await switchesPerSecond(rig.agentPid, seconds));
      cpu[contender].push(((await cpuTimeNs(rig.agentPid)) - before) / 1e6 / seconds);
    };
    try {
      rig.tracefs.reset();
      for (let pair = 0; pair < Math.min(context.pairs, 3); pair++) {
        for (const contender of contenders(context, pair)) {
          await rig.startSink();
          await rig.startAgent(contender, context.kernelAgent, context.tiny ? 0 : 15_000);
          await measure(contender, values.armed, values.armedCpu);
          rig.startRun(context.latencyMs);
          await Bun.sleep(context.tiny ? 50 : 15_000);
          await measure(contender, values.running, values.runningCpu);
          await rig.endAgent();
          await rig.endSink();
        }
      }
      const figure = (name: string, unit: string, { ours, C }: Runs): Figure => ({
        name,
        unit,
        ours,
        ...(C.length > 0 ? { peer: { name: "C", values: C } } : {}),
      });
      return {
        figures: [
          { ...figure("armed: wake-ups", "/s", values.armed), reach: { value: 0.5, is: "most" } },
          figure("armed: CPU", "ms/s", values.armedCpu),
          {
            ...figure("running, no events: wake-ups", "/s", values.running),
            reach: { value: 1000 / context.latencyMs + 0.5, is: "most" },
          },
          figure("running, no events: CPU", "ms/s", values.runningCpu),
        ],
        notes: [
          `whole process, over ${seconds} s, 15 s after its start and after the start order; ${rig.cpus.length} CPUs; wake-ups are voluntary context switches; latency_ms ${context.latencyMs}`,
        ],
      };
    } finally {
      await rig.close();
    }
  },
};

type Runs = Record<Contender, number[]>;

function runs(): Runs {
  return { ours: [], C: [] };
}
