/** How fast and at what CPU cost a full ring buffer goes out. */
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { cpuTimeNs, runChild } from "../support/child.ts";
import { drained } from "../support/drained.ts";
import { benchProgram } from "../support/programs.ts";
import { type Contender, clockNs, Rig } from "../support/rig.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const GiB = 2 ** 30;
const MiB = 2 ** 20;

type Run = { cpuPerGib: number; gibPerSecond: number; firstMs: number };

export const drain: Series = {
  name: "drain",
  title: "a prefilled ring buffer into FIFOs",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const mebibytes = context.tiny ? 4 : 256;
    const rig = new Rig("drain");
    try {
      rig.tracefs.reset((mebibytes + 2) * 1024);
      const runs: Record<Contender, Run[]> = { ours: [], C: [] };
      for (let pair = 0; pair < context.pairs; pair++) {
        for (const contender of contenders(context, pair)) {
          runs[contender].push(await drainOnce(rig, contender, context, mebibytes));
        }
      }
      const figure = (name: string, unit: string, of: (run: Run) => number, reach: Figure["reach"]): Figure => ({
        name,
        unit,
        ours: runs.ours.map(of),
        ...(runs.C.length > 0 ? { peer: { name: "C", values: runs.C.map(of) } } : {}),
        ...(reach === undefined ? {} : { reach }),
      });
      return {
        figures: [
          figure("CPU", "s/GiB", (run) => run.cpuPerGib, { ratio: 1, is: "most" }),
          figure("speed", "GiB/s", (run) => run.gibPerSecond, { ratio: 1, is: "least" }),
          figure("order to first byte", "ms", (run) => run.firstMs, { value: 2, is: "most" }),
        ],
        notes: [
          `${rig.cpus.length} CPUs, ${mebibytes} MiB each; CPU of the whole process from the order to the last byte; speed from the first byte to the last`,
        ],
      };
    } finally {
      await rig.close();
    }
  },
};

/** Both, in an order that changes from pair to pair. */
export function contenders(context: SeriesContext, pair: number): Contender[] {
  if (context.kernelAgent === undefined) return ["ours"];
  return pair % 2 === 0 ? ["ours", "C"] : ["C", "ours"];
}

async function drainOnce(rig: Rig, contender: Contender, context: SeriesContext, mebibytes: number): Promise<Run> {
  rig.tracefs.write("trace", "");
  const marker = `${rig.tracefs.path}/trace_marker`;
  await Promise.all(
    rig.cpus.map((cpu) => runChild([benchProgram("workload"), "fill", marker, `${cpu}`, `${mebibytes * MiB}`])),
  );
  await rig.startSink();
  await rig.startAgent(contender, context.kernelAgent, context.tiny ? 0 : undefined);
  const cpuBefore = await cpuTimeNs(rig.agentPid);
  const begin = clockNs();
  rig.order("1");
  const { bytes, first, last } = await drained(rig, rig.cpus.length * mebibytes * MiB * 0.95);
  const cpuNs = (await cpuTimeNs(rig.agentPid)) - cpuBefore;
  await rig.endAgent();
  await rig.endSink();
  return {
    cpuPerGib: cpuNs / 1e9 / (bytes / GiB),
    gibPerSecond: bytes / GiB / ((last - first) / 1e9),
    firstMs: (first - begin) / 1e6,
  };
}
