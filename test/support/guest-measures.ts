/** What tests measure of an agent in a guest, and how they wait for what it tells. */
import { expect } from "bun:test";
import { type CpuStats, noStats, parseCpuStats } from "../../src/tracefs/cpu-stats.ts";
import type { Guest } from "./guest-handle.ts";
import type { HostEnds } from "./host-ends.ts";

const tracing = "/sys/kernel/tracing";

export const freeKb = async (guest: Guest): Promise<number> =>
  Number(await guest.text("sed -n 's/^MemAvailable: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"));
/** CPU time of a process in clock ticks of 10 ms. */
export const cpuTicks = async (guest: Guest, pid: number): Promise<number> =>
  Number(await guest.text(`awk '{print $14+$15}' /proc/${pid}/stat`));
/** Waits until a process has used no CPU for a second: what the runtime does after its start, or after work, is over. */
export const restsAfterWork = (guest: Guest, pid: number): Promise<unknown> =>
  guest.run(
    `ticks() { awk '{print $14+$15}' /proc/${pid}/stat; }; until t=$(ticks); sleep 1; [ "$(ticks)" = $t ]; do :; done`,
  );
/** How often the threads of a process were switched: by themselves when they sleep, by the kernel when they do not. */
export async function switches(guest: Guest, pid: number): Promise<Map<string, number>> {
  const count = "awk '/^Pid/ { thread = $2 } /_ctxt_switches/ { sum += $2 } /^nonvol/ { print thread, sum; sum = 0 }'";
  const text = await guest.text(`cat /proc/${pid}/task/*/status 2>/dev/null | ${count}`);
  return new Map(text.split("\n").map((line) => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]));
}
/** Since then, of all threads; those that ended meanwhile are not counted. */
export async function switchesSince(guest: Guest, pid: number, before: Map<string, number>): Promise<number> {
  return [...(await switches(guest, pid))].reduce((sum, [thread, n]) => sum + n - (before.get(thread) ?? 0), 0);
}
export const statistics = async (guest: Guest, cpu: number): Promise<CpuStats> => ({
  ...noStats,
  ...parseCpuStats(await guest.text(`cat ${tracing}/per_cpu/cpu${cpu}/stats`)),
});
export const fresh = (guest: Guest): Promise<unknown> =>
  guest.run(`cd ${tracing}; echo 0 >tracing_on; : >set_event; echo 2048 >buffer_size_kb; : >trace; echo 1 >tracing_on`);

/** Seconds of the guest's own clock. */
export const uptime = async (guest: Guest): Promise<number> => Number(await guest.text("cut -d' ' -f1 /proc/uptime"));

/** For 5 seconds of the guest's clock: on a loaded machine an emulated guest takes its time to look. */
export async function costOf5Seconds(guest: Guest, pid: number): Promise<{ ticks: number; switches: number }> {
  const begin = await uptime(guest);
  const before = { ticks: await cpuTicks(guest, pid), switches: await switches(guest, pid) };
  await guest.run("sleep 5");
  const ticks = (await cpuTicks(guest, pid)) - before.ticks;
  const switched = await switchesSince(guest, pid, before.switches);
  const part = 5 / ((await uptime(guest)) - begin);
  return { ticks: ticks * part, switches: switched * part };
}

/** Waits until the agent tells this of the CPU. */
export async function becomes(ends: HostEnds, cpu: number, wanted: { state?: string; port?: unknown }): Promise<void> {
  const deadline = performance.now() + 300_000;
  for (;;) {
    const { cpus: all } = (await ends.ask("status", "status")) as { cpus: { cpu: number }[] };
    const found = all.find((one) => one.cpu === cpu);
    try {
      expect(found).toMatchObject(wanted);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(100);
    }
  }
}
