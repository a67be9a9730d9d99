/**
 * What a snapshot costs: CPU of a recorder with a full ring of 512 MiB until the files are on the disk, beyond what it takes anyway, beside
 * `cp` of these files and `sync -d`. Two fake guests of four CPUs, which send nothing meanwhile. The time of the command has what it waits for: what a guest may
 * still have.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/agent-process.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { cpuTimeNs, hasEnded, runChild, startChild } from "../support/child.ts";
import { Feed } from "../support/feed.ts";
import { ManyGuests } from "../support/many-guests.ts";
import type { Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;
const guestCount = 2;
const cpus = 4;
const ringBytes = 512 * MiB;
const bytesPerSecond = 128 * MiB;

type Costs = { cpuMs: number[]; seconds: number[]; copyCpuMs: number[]; copySeconds: number[]; bytes: number };

export const snapshot: Series = {
  name: "snapshot",
  title: "a snapshot of 512 MiB beside cp",
  guest: false,
  skipReason: () => undefined,
  run: async (context) => {
    const { cpuMs, seconds, copyCpuMs, copySeconds, bytes } = await measured(context);
    const peer = (values: number[]): { name: string; values: number[] } => ({ name: "cp, sync -d", values });
    return {
      figures: [
        { name: "CPU", unit: "ms", ours: cpuMs, peer: peer(copyCpuMs), reach: { ratio: 1.2, is: "most" } },
        { name: "time of the command", unit: "s", ours: seconds, peer: peer(copySeconds) },
      ],
      notes: [`${Math.round(bytes / MiB)} MiB of ${guestCount} guests`],
    };
  },
};

async function measured({ tiny, pairs }: SeriesContext): Promise<Costs> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
  const guests = new ManyGuests(folder, guestCount, cpus, "0 t a\n");
  const bytes = tiny ? 4 * MiB : ringBytes;
  const feed = new Feed(guests.dataPorts, bytesPerSecond, (2 * bytes) / bytesPerSecond);
  const output = join(folder, "out");
  const ring = ["--last", "1h", "--max", `${bytes}`, "--every", "0s"];
  const recorder = startChild([agentExecutable, "record", ...guests.directories, ...ring, "-o", output]);
  const costs: Costs = { cpuMs: [], seconds: [], copyCpuMs: [], copySeconds: [], bytes: 0 };
  try {
    await feed.isReady();
    await eventually(() => recordingMachines(output) === guestCount || hasEnded(recorder), "both guests are recorded");
    const { bytesOfPorts } = await feed.run();
    guests.sent(bytesOfPorts);
    const idleMs = tiny ? 0 : await idleMsPerSecond(recorder.pid);
    // The first one packs the tables.
    for (let pair = 0; pair <= pairs; pair++) {
      const begin = { cpu: await cpuTimeNs(recorder.pid), ms: performance.now() };
      const { files } = filesOf(await runChild([agentExecutable, "snapshot", output, "--json"]));
      const seconds = (performance.now() - begin.ms) / 1000;
      const cpuMs = ((await cpuTimeNs(recorder.pid)) - begin.cpu) / 1e6;
      const paths = files.map(({ file }) => join(output, file));
      if (pair > 0) {
        costs.cpuMs.push(cpuMs - idleMs * seconds);
        costs.seconds.push(seconds);
        costs.bytes = paths.reduce((sum, path) => sum + statSync(path).size, 0);
        await copied(paths, costs);
      }
      for (const path of paths) rmSync(path);
    }
    return costs;
  } finally {
    recorder.kill("SIGINT");
    await recorder.exited;
    await feed.end();
    guests.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of CPU time, that it takes anyway. */
async function idleMsPerSecond(pid: number): Promise<number> {
  const [before, beginMs] = [await cpuTimeNs(pid), performance.now()];
  await Bun.sleep(3000);
  return ((await cpuTimeNs(pid)) - before) / 1e3 / (performance.now() - beginMs);
}

async function copied(paths: readonly string[], { copyCpuMs, copySeconds }: Costs): Promise<void> {
  const beginMs = performance.now();
  let cpuMs = 0;
  for (const path of paths)
    for (const command of [
      ["cp", path, `${path}.copy`],
      ["sync", "-d", `${path}.copy`],
    ]) {
      const child = startChild(command);
      if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} failed`);
      cpuMs += Number(child.resourceUsage()?.cpuTime.total ?? Number.NaN) / 1000;
    }
  copyCpuMs.push(cpuMs);
  copySeconds.push((performance.now() - beginMs) / 1000);
  for (const path of paths) rmSync(`${path}.copy`);
}

function filesOf(text: string): { files: { file: string }[] } {
  // It is our own program's.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return JSON.parse(text) as { files: { file: string }[] };
}

function recordingMachines(output: string): number {
  const file = join(output, "session.json");
  return existsSync(file) ? readFileSync(file, "utf8").split('"state": "recording"').length - 1 : 0;
}
