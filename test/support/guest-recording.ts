/** A recording made in a test guest without the agent: shell commands, the raw sub-buffers, and a plain trace.dat of them. */
import { writeFileSync } from "node:fs";
import type { Guest } from "./guest-handle.ts";
import { type KernelFiles, plainTraceDat } from "./plain-trace-dat.ts";

const tracing = "/sys/kernel/tracing";

/** `script` sets up what is traced, runs with tracing on, and does something; the buffer is empty before. */
export async function recordInGuest(guest: Guest, path: string, options: { setUp: string; work: string; tearDown: string; cpus: number; systems: readonly string[] }): Promise<void> {
  const { setUp, work, tearDown, cpus, systems } = options;
  await guest.run(`cd ${tracing} && echo 0 > tracing_on && echo 2048 > buffer_size_kb && echo > trace && ${setUp}`);
  await guest.run(`cd ${tracing} && echo 1 > tracing_on; ${work}; echo 0 > ${tracing}/tracing_on`);
  const data: Uint8Array[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) {
    // A read gives whole sub-buffers, then waits.
    await guest.run(`timeout 2 cat ${tracing}/per_cpu/cpu${cpu}/trace_pipe_raw > /tmp/cpu${cpu}`, { mayFail: true });
    data.push(await guest.pull(`/tmp/cpu${cpu}`));
  }
  const files = await kernelFiles(guest, cpus, systems);
  await guest.run(`cd ${tracing} && ${tearDown}`);
  writeFileSync(path, plainTraceDat(files, data));
}

async function kernelFiles(guest: Guest, cpus: number, systems: readonly string[]): Promise<KernelFiles> {
  const text = async (file: string): Promise<string> => (await guest.pull(file)).toString("latin1");
  const formats = new Map<string, string[]>();
  for (const system of ["ftrace", ...systems]) {
    const { stdoutBytes } = await guest.run(`cd ${tracing}/events/${system} && for f in */format; do cat $f; echo @@@; done`);
    formats.set(system, stdoutBytes.toString("latin1").split("@@@\n").slice(0, -1));
  }
  const stats: string[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) stats.push(await text(`${tracing}/per_cpu/cpu${cpu}/stats`));
  return {
    headerPage: await text(`${tracing}/events/header_page`),
    headerEvent: await text(`${tracing}/events/header_event`),
    formats,
    kallsyms: await guest.pull("/proc/kallsyms"),
    printkFormats: await text(`${tracing}/printk_formats`),
    savedCommands: await text(`${tracing}/saved_cmdlines`),
    clock: await text(`${tracing}/trace_clock`),
    uname: await guest.text("uname -a"),
    stats,
  };
}
