/** A recording made in a test guest without the agent: shell commands, the raw sub-buffers, and a plain trace.dat of them. */
import { writeFileSync } from "node:fs";
import type { Guest } from "./guest-handle.ts";
import { type KernelFiles, plainTraceDat } from "./plain-trace-dat.ts";

const tracing = "/sys/kernel/tracing";

/** `script` sets up what is traced, runs with tracing on, and does something; the buffer is empty before. */
export async function recordInGuest(
  guest: Guest,
  path: string,
  options: { setUp: string; work: string; tearDown: string; cpus: number; systems: readonly string[] },
): Promise<void> {
  const { setUp, work, tearDown, cpus, systems } = options;
  await guest.run(`cd ${tracing} && echo 0 > tracing_on && echo 2048 > buffer_size_kb && echo > trace && ${setUp}`);
  await guest.run(`cd ${tracing} && echo 1 > tracing_on; ${work}; echo 0 > ${tracing}/tracing_on`);
  await guest.run(Array.from({ length: cpus }, (_, cpu) => readAll(cpu)).join("\n"));
  const data: Uint8Array[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) data.push(await guest.pull(`/tmp/cpu${cpu}`));
  const files = await kernelFiles(guest, cpus, systems);
  await guest.run(`cd ${tracing} && ${tearDown}`);
  writeFileSync(path, plainTraceDat(files, data));
}

/**
 * Shell text that writes all sub-buffers of a CPU to /tmp/cpuN. A reader of trace_pipe_raw waits when it has read all: then
 * nothing is left and the reader sleeps, which no write to memory makes it do.
 */
function readAll(cpu: number): string {
  const folder = `${tracing}/per_cpu/cpu${cpu}`;
  return `cat ${folder}/trace_pipe_raw >/tmp/cpu${cpu} &
    until grep -q "^entries: 0$" ${folder}/stats && grep -q "^State:.S" /proc/$!/status; do usleep 50000; done
    kill $!`;
}

/** What a command writes. Not packed: an emulated CPU packs it in more time than its disk takes it. */
async function written(guest: Guest, command: string): Promise<Buffer> {
  await guest.run(`{ ${command}; } >/tmp/written`);
  return await guest.pull("/tmp/written");
}

/** Does not change while a guest runs, and is large. */
const kallsyms = new WeakMap<Guest, Promise<Buffer>>();

async function kernelFiles(guest: Guest, cpus: number, systems: readonly string[]): Promise<KernelFiles> {
  // One program for all files of a system: an emulated guest starts hundreds of them in many seconds.
  const marked = `awk 'FNR == 1 && NR > 1 { print "@@@" } { print } END { print "@@@" }'`;
  const loops = ["ftrace", ...systems].map((system) => `${marked} ${tracing}/events/${system}/*/format; echo @@@@`);
  const texts = (await written(guest, loops.join("; "))).toString("latin1").split("@@@@\n");
  const formats = new Map(
    ["ftrace", ...systems].map((system, index) => [system, (texts[index] ?? "").split("@@@\n").slice(0, -1)]),
  );
  const names = ["events/header_page", "events/header_event", "printk_formats", "saved_cmdlines", "trace_clock"];
  const stats = Array.from({ length: cpus }, (_, cpu) => `per_cpu/cpu${cpu}/stats`);
  const small = await written(guest, [...names, ...stats].map((name) => `cat ${tracing}/${name}; echo @@@`).join("; "));
  const [headerPage = "", headerEvent = "", printkFormats = "", savedCommands = "", clock = "", ...counts] = small
    .toString("latin1")
    .split("@@@\n");
  let symbols = kallsyms.get(guest);
  if (symbols === undefined) kallsyms.set(guest, (symbols = written(guest, "cat /proc/kallsyms")));
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
