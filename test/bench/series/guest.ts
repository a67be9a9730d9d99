/**
 * The same drain over virtio-serial in a QEMU guest, and the memory that a silent host holds there.
 *
 * A port's queue has 128 entries. The kernel's agent puts its whole pipe into one, 1 MiB, and a silent host holds all of them. Ours
 * does so as long as its host acknowledges, within a window, so that a silent host holds at most 10 MiB of each port; to a host that
 * does not, it gives 76 KiB a piece. That is measured too, beside the kernel's agent with a pipe of 64 KiB.
 */
import { whyNoGuest } from "../../support/guest.ts";
import { type GuestContender, GuestRig, guestCpus, tinyGuestMb } from "../support/guest-rig.ts";
import { drained } from "../support/drained.ts";
import { clockNs } from "../support/rig.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;

type Run = { mibPerSecond: number; cpuPerGib: number; firstMs: number };

export const guest: Series = {
  name: "guest",
  title: "a prefilled ring buffer over virtio-serial, and what a silent host holds",
  guest: true,
  skipReason: () => whyNoGuest("6.12"),
  run: async (context) => {
    const mebibytes = context.tiny ? 2 : 256;
    const rig = await GuestRig.boot(context.kernelAgent, "fifo", context.tiny ? tinyGuestMb : 1536);
    try {
      const runs: Record<GuestContender, Run[]> = { ours: [], "ours, cat": [], C: [], "C bounded": [] };
      const held: Record<GuestContender, number[]> = { ours: [], "ours, cat": [], C: [], "C bounded": [] };
      for (let pair = 0; pair < context.pairs; pair++) {
        for (const contender of guestContenders(context, pair))
          runs[contender].push(await drainOnce(rig, contender, mebibytes, !context.tiny));
      }
      // Last, because it leaves the queues full.
      for (const contender of guestContenders(context, 0))
        held[contender].push(await heldMemory(rig, contender, context));
      const peer = <T>(
        values: Record<GuestContender, T[]>,
        of: (value: T) => number,
        name: GuestContender = "C",
      ): Pick<Figure, "peer"> =>
        context.kernelAgent === undefined ? {} : { peer: { name, values: values[name].map(of) } };
      const speed = (run: Run): number => run.mibPerSecond;
      const cpu = (run: Run): number => run.cpuPerGib;
      const first = (run: Run): number => run.firstMs;
      const itself = (value: number): number => value;
      const figures: Figure[] = [
        {
          name: "speed",
          unit: "MiB/s",
          ours: runs.ours.map(speed),
          ...peer(runs, speed),
          reach: { ratio: 1, is: "least" },
        },
        {
          name: "guest CPU",
          unit: "s/GiB",
          ours: runs.ours.map(cpu),
          ...peer(runs, cpu),
          reach: { ratio: 1, is: "most" },
        },
        {
          name: "order to first byte",
          unit: "ms",
          ours: runs.ours.map(first),
          ...peer(runs, first),
        },
        {
          name: "held by a silent host, per CPU",
          unit: "MiB",
          ours: held.ours,
          ...peer(held, itself),
          reach: { value: 10, is: "most" },
        },
      ];
      if (context.kernelAgent !== undefined && !context.tiny) {
        figures.push(
          {
            name: "speed, without acknowledgements",
            unit: "MiB/s",
            ours: runs["ours, cat"].map(speed),
            ...peer(runs, speed, "C bounded"),
          },
          {
            name: "guest CPU, without acknowledgements",
            unit: "s/GiB",
            ours: runs["ours, cat"].map(cpu),
            ...peer(runs, cpu, "C bounded"),
          },
          {
            name: "held, without acknowledgements",
            unit: "MiB",
            ours: held["ours, cat"],
            ...peer(held, itself, "C bounded"),
          },
        );
      }
      return {
        figures,
        notes: [
          "without acknowledgements: the peer is the kernel's agent with its option -s 65536",
          `guest of ${guestCpus.length} CPUs, ${mebibytes} MiB each; under emulation CPU figures are those of the emulated CPU`,
        ],
      };
    } finally {
      await rig.close();
    }
  },
};

/** All of them, in an order that changes from pair to pair. */
function guestContenders(context: SeriesContext, pair: number): GuestContender[] {
  // An emulated guest starts each agent in seconds, and the other two differ by an option and an order that is not given.
  if (context.tiny) return context.kernelAgent === undefined ? ["ours"] : ["ours", "C"];
  if (context.kernelAgent === undefined) return ["ours", "ours, cat"];
  const all: GuestContender[] = ["ours", "C", "ours, cat", "C bounded"];
  return all.map((_, place) => all[(place + pair) % all.length] ?? "ours");
}

async function fill(rig: GuestRig, size: number): Promise<void> {
  await rig.reset((size + 2) * 1024);
  const markers = guestCpus.map((cpu) => `workload fill /sys/kernel/tracing/trace_marker ${cpu} ${size * MiB}`);
  await rig.guest.run(`${markers.join(" & ")} & wait`, { timeoutMs: 300_000 });
}

async function drainOnce(rig: GuestRig, contender: GuestContender, mebibytes: number, settle: boolean): Promise<Run> {
  await fill(rig, mebibytes);
  await rig.startSink(contender === "ours");
  await rig.startAgent(contender, settle);
  if (contender === "ours") await rig.introduce();
  const before = await rig.agentCpuNs();
  const begin = clockNs();
  rig.order("1");
  const { bytes, first, last } = await drained(rig, guestCpus.length * mebibytes * MiB * 0.95);
  const cpuNs = (await rig.agentCpuNs()) - before;
  await rig.endAgent();
  await rig.endSink();
  return {
    mibPerSecond: bytes / MiB / ((last - first) / 1e9),
    cpuPerGib: (cpuNs / 1e9 / bytes) * 1024 * MiB,
    firstMs: (first - begin) / 1e6,
  };
}

/** What is gone from the guest's free memory while nobody reads, per CPU; the ring buffer's own size does not change. */
async function heldMemory(rig: GuestRig, contender: GuestContender, { tiny }: SeriesContext): Promise<number> {
  const available = async (): Promise<number> =>
    Number(await rig.guest.text("sed -n 's/^MemFree: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"));
  // Else the kernel keeps megabytes of free pages for each CPU, which it does not count as free.
  await rig.guest.run("echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction");
  await fill(rig, tiny ? 2 : 160);
  await rig.startAgent(contender, !tiny);
  // It acknowledges what lay in the ports, and nothing more.
  if (contender === "ours") await rig.introduce();
  const before = await available();
  rig.order("1");
  // An agent that is ended before it has sent anything leaves nothing to read below.
  await rig.dataWaits();
  await Bun.sleep(tiny ? 0 : 8000);
  const heldKib = before - (await available());
  // Read what waits, so that the next one begins with empty queues.
  await rig.endAgent();
  await rig.startSink();
  await rig.sinkLine();
  await rig.endSink();
  return heldKib / 1024 / guestCpus.length;
}
