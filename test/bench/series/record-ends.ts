/**
 * The beginning and the end of a recording, a part of the series `record`: what `record -d 1` takes in all, and from Ctrl-C to the
 * finished file of 100 MB, beside a copy of that file.
 */
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { agentExecutable } from "../support/agent-executable.ts";
import { startChild } from "../support/child.ts";
import {
  copySeconds,
  endRecording,
  fillAll,
  hasBegun,
  settledBytes,
  smallMarker,
  startRecorder,
  warmMemory,
  whileRecording,
} from "../support/recorder.ts";
import { type Rig, warmedUpMs } from "../support/rig.ts";
import type { Figure, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;

export function recordedMb({ tiny }: SeriesContext): number {
  return tiny ? 2 : 100;
}

export async function beginAndEnd(rig: Rig, context: SeriesContext, folder: string): Promise<Figure[]> {
  const short = { local: [] as number[], localCpu: [] as number[], guest: [] as number[] };
  const long = { stop: [] as number[], copy: [] as number[] };
  const seconds = context.tiny ? 0.1 : 1;
  for (let pair = 0; pair < Math.min(context.pairs, 9); pair++) {
    const local = await recordLocal(join(folder, "short.dat"), seconds);
    short.local.push(local.wallMs);
    short.localCpu.push(local.cpuMs);
    short.guest.push(await recordGuest(rig, context, join(folder, "short.dat"), seconds));
    const { stopMs, copyMs } = await recordLong(rig, context, join(folder, "long"));
    long.stop.push(stopMs);
    long.copy.push(copyMs);
  }
  const over = long.stop.map((ms, index) => ms - (long.copy[index] ?? Number.NaN));
  const [mb, d] = [recordedMb(context), `-d ${seconds}`];
  return [
    { name: `record --local -e sched ${d}`, unit: "ms", ours: short.local, reach: { value: 1500, is: "most" } },
    { name: `record --local -e sched ${d}: CPU`, unit: "ms", ours: short.localCpu },
    { name: `record ${d} of an agent`, unit: "ms", ours: short.guest, reach: { value: 1500, is: "most" } },
    {
      name: `Ctrl-C to the file of ${mb} MB`,
      unit: "ms",
      ours: long.stop,
      peer: { name: "cp and sync", values: long.copy },
    },
    {
      name: `Ctrl-C to the file of ${mb} MB, less cp and sync`,
      unit: "ms",
      ours: over,
      reach: { value: 1000, is: "most" },
    },
  ];
}

/** Start to end, and the CPU time of the recorder and its agent. */
async function recordLocal(output: string, seconds: number): Promise<{ wallMs: number; cpuMs: number }> {
  const begin = performance.now();
  const recorder = startChild([agentExecutable, "record", "--local", "-e", "sched", "-d", `${seconds}`, "-o", output]);
  const errors = recorder.stderr.text();
  if ((await recorder.exited) !== 0) throw new Error(`record --local failed: ${await errors}`);
  const wallMs = performance.now() - begin;
  rmSync(output);
  return { wallMs, cpuMs: Number(recorder.resourceUsage()?.cpuTime.total ?? Number.NaN) / 1000 };
}

async function recordGuest(rig: Rig, context: SeriesContext, output: string, seconds: number): Promise<number> {
  await rig.startAgent("ours", undefined, context.tiny ? 0 : warmedUpMs);
  try {
    const begin = performance.now();
    const recorder = startRecorder(rig, output, ["-e", "sched", "-d", `${seconds}`]);
    const errors = recorder.stderr.text();
    if ((await recorder.exited) !== 0) throw new Error(`record failed: ${await errors}`);
    return performance.now() - begin;
  } finally {
    await rig.endAgent();
    rmSync(output, { force: true });
  }
}

/** What was there to be recorded has come when Ctrl-C does. */
async function recordLong(
  rig: Rig,
  context: SeriesContext,
  folder: string,
): Promise<{ stopMs: number; copyMs: number }> {
  const output = join(folder, "trace.dat");
  mkdirSync(folder);
  rig.tracefs.reset(64 * 1024);
  await rig.startAgent("ours", undefined, context.tiny ? 0 : warmedUpMs);
  const recorder = startRecorder(rig, output);
  try {
    return await whileRecording(recorder, async () => {
      await hasBegun(recorder, output);
      const bytes = recordedMb(context) * 1e6;
      await warmMemory(folder, 3 * bytes);
      await fillAll(rig, bytes / MiB / rig.cpus.length, smallMarker);
      await settledBytes(`${output}.spool`);
      const begin = performance.now();
      await endRecording(recorder);
      const stopMs = performance.now() - begin;
      if (statSync(output).size < bytes * 0.9) throw new Error(`only ${statSync(output).size} bytes were recorded`);
      return { stopMs, copyMs: (await copySeconds(output, join(folder, "copied.dat"))) * 1000 };
    });
  } finally {
    await rig.endAgent();
    rmSync(folder, { recursive: true });
  }
}
