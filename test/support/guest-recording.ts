/** A recording made in a test guest without the agent: shell commands, the raw sub-buffers, and a plain trace.dat of them. */
import { writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
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
    data.push(await packed(guest, `cat /tmp/cpu${cpu}`));
  }
  const files = await kernelFiles(guest, cpus, systems);
  await guest.run(`cd ${tracing} && ${tearDown}`);
  writeFileSync(path, plainTraceDat(files, data));
}

/** What a command writes, packed on its way: the guest's serial port is slow. */
async function packed(guest: Guest, command: string): Promise<Buffer> {
  const { stdoutBytes } = await guest.run(`{ ${command}; } | gzip -1 -c`);
  return gunzipSync(stdoutBytes);
}

/** Does not change while a guest runs, and is large. */
const kallsyms = new WeakMap<Guest, Promise<Buffer>>();

async function kernelFiles(guest: Guest, cpus: number, systems: readonly string[]): Promise<KernelFiles> {
  const loops = ["ftrace", ...systems].map((system) => `for f in ${tracing}/events/${system}/*/format; do cat $f; echo @@@; done; echo @@@@`);
  const texts = (await packed(guest, loops.join("; "))).toString("latin1").split("@@@@\n");
  const formats = new Map(["ftrace", ...systems].map((system, index) => [system, (texts[index] ?? "").split("@@@\n").slice(0, -1)]));
  const names = ["events/header_page", "events/header_event", "printk_formats", "saved_cmdlines", "trace_clock"];
  const stats = Array.from({ length: cpus }, (_, cpu) => `per_cpu/cpu${cpu}/stats`);
  const small = await packed(guest, [...names, ...stats].map((name) => `cat ${tracing}/${name}; echo @@@`).join("; "));
  const [headerPage = "", headerEvent = "", printkFormats = "", savedCommands = "", clock = "", ...counts] = small.toString("latin1").split("@@@\n");
  let symbols = kallsyms.get(guest);
  if (symbols === undefined) kallsyms.set(guest, (symbols = packed(guest, "cat /proc/kallsyms")));
  return {
    headerPage,
    headerEvent,
    formats,
    kallsyms: await symbols,
    printkFormats,
    savedCommands,
    clock,
    uname: await guest.text("uname -a"),
    stats: counts.slice(0, cpus),
  };
}
