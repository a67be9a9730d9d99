/** The same drain over virtio-serial in a QEMU guest, and the memory that a silent host holds there. */
import { whyNoGuest } from "../../support/guest.ts";
import { GuestRig, guestCpus } from "../support/guest-rig.ts";
import { clockNs, type Contender } from "../support/rig.ts";
import type { Figure, Series } from "../support/series.ts";
import { contenders } from "./drain.ts";

const MiB = 2 ** 20;
const mebibytes = 32;

type Run = { mibPerSecond: number; cpuPerGib: number };

export const guest: Series = {
  name: "guest",
  title: "a prefilled ring buffer over virtio-serial, and what a silent host holds",
  guest: true,
  skipReason: () => whyNoGuest("6.12"),
  run: async (context) => {
    const rig = await GuestRig.boot(context.kernelAgent);
    try {
      const runs: Record<Contender, Run[]> = { ours: [], C: [] };
      const held: Record<Contender, number[]> = { ours: [], C: [] };
      for (let pair = 0; pair < context.pairs; pair++) {
        for (const contender of contenders(context, pair)) runs[contender].push(await drainOnce(rig, contender));
      }
      // Last, because it leaves the queues full.
      for (const contender of contenders(context, 0)) held[contender].push(await heldMemory(rig, contender));
      const peer = <T>(values: T[], of: (value: T) => number): Pick<Figure, "peer"> =>
        context.kernelAgent === undefined ? {} : { peer: { name: "C", values: values.map(of) } };
      const speed = (run: Run): number => run.mibPerSecond;
      const cpu = (run: Run): number => run.cpuPerGib;
      return {
        figures: [
          { name: "speed", unit: "MiB/s", ours: runs.ours.map(speed), ...peer(runs.C, speed), reach: { ratio: 1, is: "least" } },
          { name: "guest CPU", unit: "s/GiB", ours: runs.ours.map(cpu), ...peer(runs.C, cpu), reach: { ratio: 1, is: "most" } },
          {
            name: "held by a silent host, per CPU",
            unit: "MiB",
            ours: held.ours,
            ...peer(held.C, (value) => value),
            reach: { value: 10, is: "most" },
          },
        ],
        notes: [`guest of ${guestCpus.length} CPUs, ${mebibytes} MiB each; under emulation CPU figures are those of the emulated CPU`],
      };
    } finally {
      await rig.close();
    }
  },
};

async function fill(rig: GuestRig, size: number): Promise<void> {
  await rig.reset((size + 2) * 1024);
  const markers = guestCpus.map((cpu) => `workload fill /sys/kernel/tracing/trace_marker ${cpu} ${size * MiB}`);
  await rig.guest.run(`${markers.join(" & ")} & wait`, { timeoutMs: 300_000 });
}

async function drainOnce(rig: GuestRig, contender: Contender): Promise<Run> {
  await fill(rig, mebibytes);
  await rig.startSink();
  await rig.startAgent(contender);
  const before = await rig.agentCpuNs();
  const begin = clockNs();
  rig.order("1");
  const [bytes = 0, last = 0] = (await rig.sinkLine()).split(" ").map(Number);
  const cpuNs = (await rig.agentCpuNs()) - before;
  await rig.endAgent();
  await rig.endSink();
  return { mibPerSecond: bytes / MiB / ((last - begin) / 1e9), cpuPerGib: (cpuNs / 1e9 / bytes) * 1024 * MiB };
}

/** What is gone from the guest's free memory while nobody reads, per CPU; the ring buffer's own size does not change. */
async function heldMemory(rig: GuestRig, contender: Contender): Promise<number> {
  const available = async (): Promise<number> => Number(await rig.guest.text("sed -n 's/^MemFree: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"));
  await fill(rig, 160);
  await rig.startAgent(contender);
  const before = await available();
  rig.order("1");
  await Bun.sleep(8000);
  const heldKib = before - (await available());
  // Read what waits, so that the next one begins with empty queues.
  await rig.endAgent();
  await rig.startSink();
  await rig.sinkLine();
  await rig.endSink();
  return heldKib / 1024 / guestCpus.length;
}
