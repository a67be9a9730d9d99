/**
 * What recording costs on the host: the recorder beside `cat`, and finishing trace.dat beside `cp`.
 *
 * Finishing is `trace-agent recover` of the spool of a killed recorder, from the start of the program to its end, the
 * spool's removal included. Beside it the same bytes are copied with cp and brought to the disk with sync, as the program
 * does; both read from the page cache, on the same file system. How long a recorder takes from Ctrl-C to its end is told
 * too; most of that is the guest's last answers and a silence waited for. So is what short recordings take (record-ends.ts).
 *
 * The two take turns at being first, and each finds memory that was in use a moment ago: in a VM that gives free pages back
 * to its host, fresh ones cost four times the copy.
 */
import { exitCodes } from "../../../src/base/errors.ts";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { type Child, cpuTimeNs, runChild, startChild } from "../support/child.ts";
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
import { Rig, warmedUpMs } from "../support/rig.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";
import { beginAndEnd, recordedMb } from "./record-ends.ts";

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
    const values = {
      recorder: [] as number[],
      cat: [] as number[],
      stop: [] as number[],
      finish: [] as number[],
      copy: [] as number[],
    };
    try {
      const finishing = await killedRecording(rig, context, mebibytes * 4, join(folder, "killed"));
      await inTurns(context, {
        ours: async () => void values.finish.push(await finishSpeed(finishing)),
        peer: async () => void values.copy.push(await copySpeed(finishing)),
      });
      rmSync(finishing.folder, { recursive: true });
      const work = join(folder, "work");
      await inTurns(context, {
        ours: async () => {
          const { cpuPerGib, stopMs } = await recordOnce(rig, context, mebibytes, work);
          values.recorder.push(cpuPerGib);
          values.stop.push(stopMs);
        },
        peer: async () => void values.cat.push(await catOnce(rig, context, mebibytes, work)),
      });
      const figures: Figure[] = [
        {
          name: "CPU while recording",
          unit: "s/GiB",
          ours: values.recorder,
          peer: { name: "cat", values: values.cat },
          reach: { ratio: 1, is: "most" },
        },
        {
          name: "finishing trace.dat",
          unit: "GiB/s",
          ours: values.finish,
          peer: { name: "cp and sync", values: values.copy },
          reach: { ratio: 0.8, is: "least" },
        },
        { name: "Ctrl-C to the end", unit: "ms", ours: values.stop },
        ...(await beginAndEnd(rig, context, folder)),
      ];
      const notes = [
        `recording: ${mebibytes} MiB of events of 984 bytes per CPU, live; one cat for each CPU; Ctrl-C ends these recordings`,
        `finishing: ${mebibytes * 4} MiB of events of 36 bytes per CPU, all counted; the whole run of recover`,
        `of ${recordedMb(context)} MB: events of 36 bytes of all CPUs, live; to the end of the program; cp and sync of that file right after it`,
      ];
      return { figures, notes };
    } finally {
      await rig.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function inTurns(
  context: SeriesContext,
  { ours, peer }: { ours: () => Promise<void>; peer: () => Promise<void> },
): Promise<void> {
  for (let pair = 0; pair < Math.min(context.pairs, 5); pair++) {
    for (const contender of pair % 2 === 0 ? [ours, peer] : [peer, ours]) await contender();
  }
}

/** The work of both contenders, in a folder that is theirs alone; gives the bytes that came. */
async function makeRecorded(rig: Rig, mebibytes: number, folder: string, spool: string): Promise<number> {
  await warmMemory(folder, 3 * mebibytes * MiB);
  await fillAll(rig, mebibytes);
  return settledBytes(spool);
}

async function recordOnce(
  rig: Rig,
  context: SeriesContext,
  mebibytes: number,
  folder: string,
): Promise<{ cpuPerGib: number; stopMs: number }> {
  const output = join(folder, "trace.dat");
  mkdirSync(folder);
  rig.tracefs.reset((mebibytes + 2) * 1024);
  await rig.startAgent("ours", undefined, context.tiny ? 0 : warmedUpMs);
  const recorder = startRecorder(rig, output);
  try {
    return await whileRecording(recorder, async () => {
      await hasBegun(recorder, output);
      await Bun.sleep(context.tiny ? 0 : 1000);
      const before = await cpuTimeNs(recorder.pid);
      const bytes = await makeRecorded(rig, mebibytes, folder, `${output}.spool`);
      const cpuNs = (await cpuTimeNs(recorder.pid)) - before;
      const begin = performance.now();
      await endRecording(recorder);
      return { cpuPerGib: cpuNs / 1e9 / (bytes / GiB), stopMs: performance.now() - begin };
    });
  } finally {
    await rig.endAgent();
    rmSync(folder, { recursive: true });
  }
}

async function catOnce(rig: Rig, context: SeriesContext, mebibytes: number, folder: string): Promise<number> {
  const spool = join(folder, "spool");
  mkdirSync(spool, { recursive: true });
  rig.tracefs.reset((mebibytes + 2) * 1024);
  // Held for both ways, so that cat's open does not wait and cat does not end before we say so.
  const held = rig.fifos.map((path) => openSync(path, "r+"));
  const cats: Child[] = rig.fifos.map((path, index) =>
    startChild(["sh", "-c", 'exec cat "$1" >"$2"', "sh", path, join(spool, `${index}`)]),
  );
  try {
    await rig.startAgent("ours", undefined, context.tiny ? 0 : warmedUpMs);
    rig.order("1");
    await Bun.sleep(200);
    const cpuNow = async (): Promise<number> =>
      (await Promise.all(cats.map((cat) => cpuTimeNs(cat.pid)))).reduce((sum, ns) => sum + ns, 0);
    const before = await cpuNow();
    const bytes = await makeRecorded(rig, mebibytes, folder, spool);
    return ((await cpuNow()) - before) / 1e9 / (bytes / GiB);
  } finally {
    await rig.endAgent();
    for (const cat of cats) cat.kill("SIGKILL");
    await Promise.all(cats.map((cat) => cat.exited));
    for (const fd of held) closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

type Finishing = { spool: string; trace: string; folder: string };

/** The spool of a recorder that was killed, and the file that is made of it, in `folder`. */
async function killedRecording(
  rig: Rig,
  context: SeriesContext,
  mebibytes: number,
  folder: string,
): Promise<Finishing> {
  const output = join(folder, "trace.dat");
  mkdirSync(folder);
  rig.tracefs.reset(64 * 1024);
  await rig.startAgent("ours", undefined, context.tiny ? 0 : warmedUpMs);
  const recorder = startRecorder(rig, output);
  try {
    await hasBegun(recorder, output);
    await fillAll(rig, mebibytes, smallMarker);
    await settledBytes(`${output}.spool`);
  } finally {
    recorder.kill("SIGKILL");
    await recorder.exited;
    await rig.endAgent();
  }
  const finishing = { spool: join(folder, "killed.spool"), trace: join(folder, "whole.dat"), folder };
  renameSync(`${output}.spool`, finishing.spool);
  await makeReady(finishing);
  await recover(finishing, finishing.trace);
  return finishing;
}

/** The same for both contenders: a copy of the spool, which recover removes, nothing to be written, and free memory. */
async function makeReady({ spool, folder }: Finishing): Promise<void> {
  const copied = join(folder, "copied.spool");
  rmSync(copied, { recursive: true, force: true });
  await runChild(["cp", "-r", "--reflink=never", spool, copied]);
  const bytes = readdirSync(copied).reduce((sum, name) => sum + statSync(join(copied, name)).size, 0);
  await runChild(["sync"]);
  await warmMemory(folder, bytes * 1.25);
}

/** Seconds. */
async function recover({ folder }: Finishing, output: string): Promise<number> {
  const begin = performance.now();
  const command = [agentExecutable, "recover", join(folder, "copied.spool"), "--output", output, "--remove"];
  // Of a recorder that was killed nobody knows whether it is all.
  await runChild(command, { exitCode: exitCodes.io });
  return (performance.now() - begin) / 1000;
}

/** GiB/s. */
async function finishSpeed(finishing: Finishing): Promise<number> {
  const output = join(finishing.folder, "finished.dat");
  await makeReady(finishing);
  const seconds = await recover(finishing, output);
  const bytes = statSync(output).size;
  rmSync(output);
  return bytes / GiB / seconds;
}

/** GiB/s. */
async function copySpeed(finishing: Finishing): Promise<number> {
  const copy = join(finishing.folder, "copied.dat");
  await makeReady(finishing);
  const seconds = await copySeconds(finishing.trace, copy);
  const bytes = statSync(copy).size;
  rmSync(copy);
  return bytes / GiB / seconds;
}
