/**
 * Records two guests and this machine while a task of this machine keeps the first guest from running now and then, for the
 * README's picture:
 *
 *   bun test/demo/delayed-guests.ts DIR && bun test/demo/page-picture.ts DIR test/demo/delay.png
 *
 * As root, after a build. Each guest is emulated by one thread, which is pinned to a CPU of its own here.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { executable } from "../support/agent-process.ts";
import { bootGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { unmountTracefs } from "../support/tracefs.ts";
import { traceAgent } from "./program.ts";

const seconds = 3;
/** In each guest: wakes up often, and works a little. */
const work = "cp /bin/busybox /bin/web; while :; do /bin/web usleep 4000; /bin/web seq 60 >/dev/null; done";
/** On this machine, before all others: busy for some 60 ms, then asleep. It ends also where the recording takes long. */
const backup = `#!/bin/bash
for ((n = 0; n < 100; n++)); do for ((i = 0; i < 36000; i++)); do :; done; sleep 0.2; done
`;

const [out] = process.argv.slice(2);
if (out === undefined) throw new Error("usage: delayed-guests.ts DIR");
const base = mkdtempSync(`${tmpdir()}/trace-agent-delayed-`);
const guests: Guest[] = [];
let hog: Bun.Subprocess | undefined;
try {
  for (const [cpu, name] of ["vm1", "vm2"].entries()) {
    const { directory, qemuArguments } = prepareGuest(`${base}/${name}`, 2, "fifo");
    const prepared = { directory, qemuArguments: [...qemuArguments, "-name", "guest,debug-threads=on"] };
    const guest = await bootGuest({ kernel: "6.12", cpus: 2, prepared, files: { "/bin/trace-agent": executable } });
    guests.push(guest);
    for (const thread of vcpuThreads(directory)) {
      Bun.spawnSync(["taskset", "-pc", `${cpu}`, thread]);
      // Other work of this machine is not to be seen. Real-time threads would keep the recorder from running.
      Bun.spawnSync(["renice", "-n", "-15", "-p", thread]);
    }
  }
  for (const guest of guests) {
    await (await guest.spawn("exec trace-agent")).says("armed: ");
    await guest.spawn(work);
  }
  writeFileSync(`${base}/backup`, backup);
  chmodSync(`${base}/backup`, 0o755);
  hog = Bun.spawn(["chrt", "-f", "20", "taskset", "-c", "0", `${base}/backup`]);
  const events = ["sched", "irq"].flatMap((event) => ["-e", event]);
  const directories = guests.map(({ directory }) => directory);
  console.log(await traceAgent("record", ...directories, "--host", ...events, "-d", `${seconds}`, "-o", out));
} finally {
  hog?.kill("SIGKILL");
  for (const guest of guests) await guest.close();
  rmSync(base, { recursive: true, force: true });
  unmountTracefs();
}

/** Threads of the QEMU that has its ports there, by their names. */
function vcpuThreads(directory: string): string[] {
  const isOurs = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(`path=${directory}/`);
    } catch {
      return false;
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isOurs(name))
    .flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((thread) => ({ pid, thread })))
    .filter(({ pid, thread }) => /^(CPU|ALL CPUs)/.test(readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8")))
    .map(({ thread }) => thread);
}
