/** What recording costs on the host: the recorder beside `cat`, and finishing trace.dat beside `cp`. */
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { type Child, cpuTimeNs, runChild, startChild } from "../support/child.ts";
import { benchProgram } from "../support/programs.ts";
import { Rig } from "../support/rig.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;

export const record: Series = {
  name: "record",
  title: "the recorder's CPU beside cat, and finishing trace.dat beside cp",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const rig = new Rig("record");
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    const mebibytes = context.tiny ? 2 : 128;
    const values = { recorder: [] as number[], cat: [] as number[], finish: [] as number[], copy: [] as number[] };
    try {
      for (let pair = 0; pair < Math.min(context.pairs, 5); pair++) {
        rig.tracefs.reset((mebibytes + 2) * 1024);
        const output = join(folder, "trace.dat");
        const done = await recordOnce(rig, context, mebibytes, output);
        values.recorder.push(done.cpuPerGib);
        values.finish.push(done.finishGibPerSecond);
        values.copy.push(await copySpeed(output, join(folder, "copy")));
        rig.tracefs.reset((mebibytes + 2) * 1024);
        values.cat.push(await catOnce(rig, context, mebibytes, folder));
        for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
      }
      const figures: Figure[] = [
        { name: "CPU while recording", unit: "s/GiB", ours: values.recorder, peer: { name: "cat", values: values.cat }, reach: { ratio: 1, is: "most" } },
        { name: "finishing trace.dat", unit: "GiB/s", ours: values.finish, peer: { name: "cp", values: values.copy }, reach: { ratio: 0.8, is: "least" } },
      ];
      return { figures, notes: [`${mebibytes} MiB of events per CPU, live; one cat for each CPU; finishing is from Ctrl-C to the end of the program`] };
    } finally {
      await rig.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function fillAll(rig: Rig, mebibytes: number): Promise<void> {
  const marker = `${rig.tracefs.path}/trace_marker`;
  await Promise.all(rig.cpus.map((cpu) => runChild([benchProgram("workload"), "fill", marker, `${cpu}`, `${mebibytes * MiB}`])));
}

async function recordOnce(rig: Rig, context: SeriesContext, mebibytes: number, output: string): Promise<{ cpuPerGib: number; finishGibPerSecond: number }> {
  await rig.startAgent("ours", undefined, context.tiny ? 0 : 1500);
  const recorder = startChild([agentExecutable, "record", "bench", "--dir", rig.portsDirectory, "--output", output]);
  const errors = recorder.stderr.text();
  try {
    await Bun.sleep(context.tiny ? 1000 : 2000);
    const before = await cpuTimeNs(recorder.pid);
    await fillAll(rig, mebibytes);
    const bytes = await settledBytes(`${output}.spool`);
    const cpuNs = (await cpuTimeNs(recorder.pid)) - before;
    const begin = performance.now();
    recorder.kill("SIGINT");
    const code = await recorder.exited;
    if (code !== 0) throw new Error(`the recorder ended with ${code}`);
    return { cpuPerGib: cpuNs / 1e9 / (bytes / GiB), finishGibPerSecond: bytes / GiB / ((performance.now() - begin) / 1000) };
  } catch (error) {
    recorder.kill("SIGKILL");
    throw new Error(`recording failed: ${await errors}`, { cause: error });
  } finally {
    await recorder.exited;
    await rig.endAgent();
  }
}

async function catOnce(rig: Rig, context: SeriesContext, mebibytes: number, folder: string): Promise<number> {
  const spool = mkdtempSync(join(folder, "cat-"));
  // Held for both ways, so that cat's open does not wait and cat does not end before we say so.
  const held = rig.fifos.map((path) => openSync(path, "r+"));
  const cats: Child[] = rig.fifos.map((path, index) => startChild(["sh", "-c", 'exec cat "$1" >"$2"', "sh", path, join(spool, `${index}`)]));
  try {
    await rig.startAgent("ours", undefined, context.tiny ? 0 : 1500);
    rig.order("1");
    await Bun.sleep(200);
    await fillAll(rig, mebibytes);
    const bytes = await settledBytes(spool);
    let cpuNs = 0;
    for (const cat of cats) cpuNs += await cpuTimeNs(cat.pid);
    return cpuNs / 1e9 / (bytes / GiB);
  } finally {
    await rig.endAgent();
    for (const cat of cats) cat.kill("SIGKILL");
    await Promise.all(cats.map((cat) => cat.exited));
    for (const fd of held) closeSync(fd);
  }
}

/** The size of all files in a folder once it has not grown for a while. */
async function settledBytes(folder: string): Promise<number> {
  let bytes = -1;
  for (let quiet = 0; quiet < 8; await Bun.sleep(100)) {
    const now = existsSync(folder) ? readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) : 0;
    quiet = now === bytes && now > 0 ? quiet + 1 : 0;
    bytes = now;
  }
  return bytes;
}

async function copySpeed(from: string, to: string): Promise<number> {
  const begin = performance.now();
  await runChild(["cp", "--reflink=never", from, to]);
  return statSync(from).size / GiB / ((performance.now() - begin) / 1000);
}
