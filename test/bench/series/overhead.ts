/** How much slower work in the guest gets: traced, and traced and shipped. */
import { whyNoGuest } from "../../support/guest.ts";
import { GuestRig, tinyGuestMb } from "../support/guest-rig.ts";
import type { Contender } from "../support/rig.ts";
import type { Figure, Series } from "../support/series.ts";
import { contenders } from "./drain.ts";

const workloads = [
  { name: "system calls", command: "workload loop 0", count: 200_000, events: "raw_syscalls" },
  { name: "context switches", command: "workload switches 0", count: 20_000, events: "sched" },
];

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
        const shipped: Record<Contender, number[]> = { ours: [], C: [] };
        for (let pair = 0; pair < context.pairs; pair++) {
          await rig.reset(1408);
          await timeNs();
          const plain = await timeNs();
          await rig.guest.run(`echo 1 >/sys/kernel/tracing/events/${events}/enable`);
          traced.push((await timeNs()) / plain);
          for (const contender of contenders(context, pair)) {
            await rig.startSink();
            await rig.startAgent(contender, !context.tiny);
            rig.order("1");
            if (!context.tiny) await Bun.sleep(1000);
            shipped[contender].push((await timeNs()) / plain);
            await rig.endAgent();
            await rig.endSink();
          }
        }
        figures.push({ name: `${name}: traced, not shipped`, unit: "x untraced", ours: traced });
        figures.push({
          name: `${name}: shipped`,
          unit: "x untraced",
          ours: shipped.ours,
          ...(shipped.C.length > 0 ? { peer: { name: "C", values: shipped.C } } : {}),
          reach: { ratio: 1, is: "most" },
        });
      }
      return { figures, notes: ["guest of 2 CPUs, the work on CPU 0; every event of raw_syscalls or sched"] };
    } finally {
      await rig.close();
    }
  },
};
