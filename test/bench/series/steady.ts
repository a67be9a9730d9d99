/** What the agent costs while events come steadily, and what is lost, at parts of the rate that the machine can make. */
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { cpuTimeNs, runChild } from "../support/child.ts";
import { benchProgram } from "../support/programs.ts";
import { type Contender, Rig } from "../support/rig.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";
import { contenders } from "./drain.ts";

const bufferKb = 8 * 1024;
/** Per cent of the highest rate; 0 makes 100 unpaced. */
const loads = [50, 75, 100];
/** The steady state is measured: a runtime compiles and collects what its start left while the first events come. */
const warmUpSeconds = 1;

type Run = { cpuPercent: number; nsPerEvent: number; lostPerMille: number };

export const steady: Series = {
  name: "steady",
  title: "system call events at parts of the rate that this machine can make, into FIFOs",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const rig = new Rig("steady");
    try {
      rig.tracefs.reset(bufferKb);
      const seconds = context.tiny ? 0.1 : 3;
      const highest = await highestRate(rig, seconds);
      const figures: Figure[] = [];
      for (const load of context.tiny ? [50] : loads) {
        const runs: Record<Contender, Run[]> = { ours: [], C: [] };
        const rate = load === 100 ? 0 : Math.round((highest * load) / 100);
        for (let pair = 0; pair < context.pairs; pair++) {
          for (const contender of contenders(context, pair))
            runs[contender].push(await steadyRun(rig, contender, context, rate, seconds));
        }
        const figure = (name: string, unit: string, of: (run: Run) => number): Figure => ({
          name: `${load} %: ${name}`,
          unit,
          ours: runs.ours.map(of),
          ...(runs.C.length > 0 ? { peer: { name: "C", values: runs.C.map(of) } } : {}),
        });
        figures.push(figure("CPU", "% of one", (run) => run.cpuPercent));
        figures.push({ ...figure("CPU per event", "ns", (run) => run.nsPerEvent), reach: { ratio: 1.05, is: "most" } });
        figures.push({ ...figure("lost", "per mille", (run) => run.lostPerMille), reach: { ratio: 1, is: "most" } });
      }
      return {
        figures,
        notes: [
          `100 % is ${Math.round(highest / 1000)} thousand events/s per CPU (raw_syscalls:sys_enter of getppid), ${rig.cpus.length} CPUs, ${bufferKb / 1024} MiB buffers, latency_ms ${context.latencyMs}`,
        ],
      };
    } finally {
      await rig.close();
    }
  },
};

/** Calls per second and CPU that one loop on each CPU makes while they are recorded and nobody reads. */
async function highestRate(rig: Rig, seconds: number): Promise<number> {
  const results = await makeEvents(rig, 0, seconds);
  return results.reduce((sum, { count, ns }) => sum + count / (ns / 1e9), 0) / results.length;
}

async function makeEvents(rig: Rig, rate: number, seconds: number): Promise<{ count: number; ns: number }[]> {
  // Not empty, which would mean all processes; the workloads add themselves.
  rig.tracefs.write("set_event_pid", `${process.pid}`);
  rig.tracefs.write("events/raw_syscalls/sys_enter/enable", "1");
  const workloads = rig.cpus.map(async (cpu) => {
    // The shell gives its pid to the filter, then becomes the workload: events are the workload's only.
    const script = `echo $$ >>"$1/set_event_pid"; shift; exec "$@"`;
    const words = [
      "sh",
      "-c",
      script,
      "sh",
      rig.tracefs.path,
      benchProgram("workload"),
      "calls",
      `${cpu}`,
      `${rate}`,
      `${seconds}`,
    ];
    const [count = 0, ns = 1] = (await runChild(words)).split(" ").map(Number);
    return { count, ns };
  });
  try {
    return await Promise.all(workloads);
  } finally {
    rig.tracefs.write("events/raw_syscalls/sys_enter/enable", "0");
    rig.tracefs.write("set_event_pid", "");
  }
}

async function steadyRun(
  rig: Rig,
  contender: Contender,
  context: SeriesContext,
  rate: number,
  seconds: number,
): Promise<Run> {
  rig.tracefs.write("trace", "");
  await rig.startSink();
  await rig.startAgent(contender, context.kernelAgent, context.tiny ? 0 : undefined);
  rig.startRun(context.latencyMs);
  if (context.tiny) await Bun.sleep(50);
  else await makeEvents(rig, rate, warmUpSeconds);
  const countsBefore = rig.counts;
  const before = await cpuTimeNs(rig.agentPid);
  const begin = performance.now();
  const results = await makeEvents(rig, rate, seconds);
  const cpuNs = (await cpuTimeNs(rig.agentPid)) - before;
  const wallNs = (performance.now() - begin) * 1e6;
  const lost = rig.counts.overrun - countsBefore.overrun;
  const seen = rig.counts.seen - countsBefore.seen;
  await rig.endAgent();
  await rig.endSink();
  const events = results.reduce((sum, { count }) => sum + count, 0);
  if (seen < events * 0.9) throw new Error(`only ${seen} of ${events} events were recorded`);
  return { cpuPercent: (cpuNs / wallNs) * 100, nsPerEvent: cpuNs / events, lostPerMille: (lost / events) * 1000 };
}
