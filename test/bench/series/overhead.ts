/** How much slower work in the guest gets: traced, and traced and shipped. */
import { whyNoGuest } from "../../support/guest.ts";
import { type GuestContender, GuestRig, tinyGuestMb } from "../support/guest-rig.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";
import { contenders } from "./drain.ts";

const workloads = [
  { name: "system calls", command: "workload loop 0", count: 200_000, events: "raw_syscalls" },
  { name: "context switches", command: "workload switches 0", count: 20_000, events: "sched" },
];

/** What the work took, beside the same untraced; what the agent took of the CPUs meanwhile, and what was lost. */
type Shipped = { slowdown: number; cpuMs: number; lostPerMille: number };

export const overhead: Series = {
  name: "overhead",
  title: "slowdown of work in a guest: traced only, shipped by us, shipped by C",
  guest: true,
  skipReason: () => whyNoGuest("6.12"),
  run: async (context) => {
    const rig = await GuestRig.boot(context.kernelAgent, "fifo", context.tiny ? tinyGuestMb : undefined);
    const figures: Figure[] = [];
    try {
      for (const { name, command, count, events } of workloads) {
        const timeNs = async (): Promise<number> =>
          Number(await rig.guest.text(`${command} ${context.tiny ? count / 100 : count}`, { timeoutMs: 120_000 }));
        const traced: number[] = [];
        const shipped: Record<GuestContender, Shipped[]> = { ours: [], C: [], "ours, cat": [], "C bounded": [] };
        for (let pair = 0; pair < context.pairs; pair++) {
          await rig.reset(1408);
          await timeNs();
          const plain = await timeNs();
          await rig.guest.run(`echo 1 >/sys/kernel/tracing/events/${events}/enable`);
          traced.push((await timeNs()) / plain);
          for (const contender of allContenders(context, pair)) {
            await rig.startSink(contender === "ours");
            await rig.startAgent(contender, !context.tiny);
            if (contender === "ours") await rig.introduce();
            rig.order("1");
            if (!context.tiny) await Bun.sleep(1000);
            const before = { cpuNs: await rig.agentCpuNs(), ...(await eventCounts(rig)) };
            const slowdown = (await timeNs()) / plain;
            const after = { cpuNs: await rig.agentCpuNs(), ...(await eventCounts(rig)) };
            const lost = after.lost - before.lost;
            const lostPerMille = (lost / (after.kept - before.kept + lost)) * 1000;
            shipped[contender].push({ slowdown, cpuMs: (after.cpuNs - before.cpuNs) / 1e6, lostPerMille });
            await rig.endAgent();
            await rig.endSink();
          }
        }
        figures.push({ name: `${name}: traced, not shipped`, unit: "x untraced", ours: traced });
        const figure = (what: string, unit: string, of: (run: Shipped) => number, ours: Shipped[]): Figure => ({
          name: `${name}: ${what}`,
          unit,
          ours: ours.map(of),
          ...(shipped.C.length > 0 ? { peer: { name: "C", values: shipped.C.map(of) } } : {}),
        });
        figures.push({
          ...figure("shipped", "x untraced", ({ slowdown }) => slowdown, shipped.ours),
          reach: { ratio: 1, is: "most" },
        });
        figures.push(figure("the agent's CPU meanwhile", "ms", ({ cpuMs }) => cpuMs, shipped.ours));
        figures.push(figure("lost", "per mille", ({ lostPerMille }) => lostPerMille, shipped.ours));
        if (context.tiny) continue;
        const without = shipped["ours, cat"];
        figures.push(figure("shipped, without acknowledgements", "x untraced", ({ slowdown }) => slowdown, without));
      }
      return {
        figures,
        notes: [
          "guest of 2 CPUs, the work on CPU 0; every event of raw_syscalls or sched; the host acknowledges, as a recorder does",
        ],
      };
    } finally {
      await rig.close();
    }
  },
};

function allContenders(context: SeriesContext, pair: number): GuestContender[] {
  return context.tiny ? contenders(context, pair) : [...contenders(context, pair), "ours, cat"];
}

/** Events that were written since the buffer was emptied: kept, and overwritten before they were read. */
async function eventCounts({ guest }: GuestRig): Promise<{ kept: number; lost: number }> {
  const stats = await guest.text("cat /sys/kernel/tracing/per_cpu/cpu0/stats");
  const count = (key: string): number => Number(new RegExp(`^${key}: (\\d+)$`, "m").exec(stats)?.[1] ?? 0);
  return { kept: count("entries") + count("read events"), lost: count("overrun") };
}
