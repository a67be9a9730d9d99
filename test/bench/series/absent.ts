/**
 * What an agent costs in a guest while no host is connected to its ports (sockets without a client), armed and running with
 * events. The kernel's driver then says "hung up" to every poll of a port and "end of file" to every read, at once.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { closeFd } from "../../../ffi/fd.ts";
import { connectUnix } from "../../../ffi/socket.ts";
import { controlPortName } from "../../../src/protocol/ports.ts";
import { whyNoGuest } from "../../support/guest.ts";
import { GuestRig, guestCpus, tinyGuestMb } from "../support/guest-rig.ts";
import type { Contender } from "../support/rig.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";
import { contenders } from "./drain.ts";

type Cost = { cpuMs: number; wakeUps: number };

export const absent: Series = {
  name: "absent",
  title: "an agent whose host is absent: sockets without a client, armed, and running with events",
  guest: true,
  skipReason: () => whyNoGuest("6.12"),
  run: async (context) => {
    const rig = await GuestRig.boot(context.kernelAgent, "socket", context.tiny ? tinyGuestMb : undefined);
    const costs: Record<Contender, { armed: Cost[]; running: Cost[] }> = {
      ours: { armed: [], running: [] },
      C: { armed: [], running: [] },
    };
    try {
      for (let pair = 0; pair < Math.min(context.pairs, 3); pair++) {
        for (const contender of contenders(context, pair)) {
          // Small, so that the buffer runs over again and again.
          await rig.reset(128);
          await rig.startAgent(contender, !context.tiny);
          costs[contender].armed.push(await costOf(rig, context));
          await orderAndLeave(rig, "1");
          await rig.guest.run("echo 1 >/sys/kernel/tracing/events/sched/enable");
          const work = await rig.guest.spawn("while :; do usleep 1000; done");
          costs[contender].running.push(await costOf(rig, context));
          await work.kill();
          await rig.endAgent();
        }
      }
    } finally {
      await rig.close();
    }
    const figure = (state: "armed" | "running", name: string, unit: string, of: (cost: Cost) => number): Figure => ({
      name: `${state}: ${name}`,
      unit,
      ours: costs.ours[state].map(of),
      ...(context.kernelAgent === undefined ? {} : { peer: { name: "C", values: costs.C[state].map(of) } }),
    });
    const figures = (["armed", "running"] as const).flatMap((state) => [
      { ...figure(state, "CPU", "ms/s", ({ cpuMs }) => cpuMs), reach: { ratio: 1, is: "most" } as const },
      {
        ...figure(state, "wake-ups", "/s", ({ wakeUps }) => wakeUps),
        ...(state === "armed" ? { reach: { value: 0.5, is: "most" } as const } : {}),
      },
    ]);
    return {
      figures,
      notes: [
        `whole process, guest of ${guestCpus.length} CPUs; the host gives the order to start and leaves; wake-ups are voluntary context switches`,
      ],
    };
  },
};

/** Per second of the guest's time. */
async function costOf(rig: GuestRig, { tiny }: SeriesContext): Promise<Cost> {
  const pid = rig.agentPid;
  const switches = "awk '/^Pid/ { thread = $2 } /^voluntary/ { print thread, $2 }'";
  const look = `workload cputime ${pid}; cut -d' ' -f1 /proc/uptime; cat /proc/${pid}/task/*/status | ${switches}`;
  // What it does in its first seconds is not what is measured.
  const text = await rig.guest.text(`sleep ${tiny ? 0 : 10}; ${look}; sleep ${tiny ? 1 : 10}; echo after; ${look}`);
  const [before = [], after = []] = text.split("after").map((part) => part.trim().split("\n"));
  const difference = (line: number): number => Number(after[line]) - Number(before[line]);
  const seconds = difference(1);
  // Of each thread, because threads end.
  const threads = new Map(before.slice(2).map((line) => line.split(" ") as [string, string]));
  const wakeUps = after
    .slice(2)
    .map((line) => line.split(" "))
    .reduce((sum, [thread = "", count]) => sum + Number(count) - Number(threads.get(thread) ?? 0), 0);
  return { cpuMs: difference(0) / 1e6 / seconds, wakeUps: wakeUps / seconds };
}

async function orderAndLeave(rig: GuestRig, text: string): Promise<void> {
  const host = connectUnix(join(rig.guest.directory, `${controlPortName}.sock`));
  writeSync(host, `${text}\n`);
  // What QEMU has not read when the host leaves, it throws away.
  await Bun.sleep(1000);
  closeFd(host);
}
