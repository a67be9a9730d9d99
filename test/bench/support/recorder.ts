/** A recorder of one guest that a series measures: when it records, what it records, and its end on order. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../support/agent-process.ts";
import { agentExecutable } from "./agent-executable.ts";
import { type Child, hasEnded, runChild, startChild, waitLimitMs } from "./child.ts";
import { benchProgram } from "./programs.ts";
import type { Rig } from "./rig.ts";

const MiB = 2 ** 20;
/** Chars of a marker: events of 984 bytes, and of 36, which are more to count. */
const largeMarker = 960;
export const smallMarker = 12;

/** Waits until the guest has told the recorder that it runs: what was there before the start is not recorded. Fails when it ended instead. */
export async function hasBegun(recorder: Child, output: string): Promise<void> {
  const file = `${output}.spool/spool.json`;
  const isRunning = (): boolean => existsSync(file) && readFileSync(file, "utf8").includes('"reply":"start"');
  await eventually(() => isRunning() || hasEnded(recorder), "the recorder records");
  if (hasEnded(recorder)) throw new Error("the recorder ended");
}

/** What is done while a recorder runs, and its end; where that fails the recorder is killed, and the error holds what it said. */
export async function whileRecording<T>(recorder: Child, work: () => Promise<T>): Promise<T> {
  const errors = recorder.stderr.text();
  try {
    return await work();
  } catch (error) {
    recorder.kill("SIGKILL");
    throw new Error(`recording failed: ${await errors}`, { cause: error });
  } finally {
    await recorder.exited;
  }
}

/** By Ctrl-C; fails where the recording is not whole. */
export async function endRecording(recorder: Child): Promise<void> {
  recorder.kill("SIGINT");
  const code = await recorder.exited;
  if (code !== 0) throw new Error(`the recorder ended with ${code}`);
}

/** Frees as much memory as a file of so many bytes takes. */
export async function warmMemory(folder: string, bytes: number): Promise<void> {
  const file = join(folder, "thrown-away");
  await runChild(["dd", "if=/dev/zero", `of=${file}`, "bs=1M", `count=${Math.ceil(bytes / MiB)}`, "status=none"]);
  rmSync(file);
}

/** So many MiB of events of each CPU. */
export async function fillAll(rig: Rig, mebibytes: number, chars = largeMarker): Promise<void> {
  const marker = `${rig.tracefs.path}/trace_marker`;
  await Promise.all(
    rig.cpus.map((cpu) =>
      runChild([benchProgram("workload"), "fill", marker, `${cpu}`, `${Math.round(mebibytes * MiB)}`, `${chars}`]),
    ),
  );
}

export function startRecorder(rig: Rig, output: string, more: readonly string[] = []): Child {
  return startChild([agentExecutable, "record", "bench", "--dir", rig.portsDirectory, "--output", output, ...more]);
}

/** The size of all files in a folder once it has not grown for a while. */
export async function settledBytes(folder: string): Promise<number> {
  let bytes = -1;
  const deadline = performance.now() + waitLimitMs;
  for (let quiet = 0; quiet < 8; await Bun.sleep(100)) {
    if (performance.now() > deadline) throw new Error(`nothing comes into ${folder}, or without end`);
    const now = existsSync(folder)
      ? readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
      : 0;
    quiet = now === bytes && now > 0 ? quiet + 1 : 0;
    bytes = now;
  }
  return bytes;
}

/** Copies a file, down to the disk. */
export async function copySeconds(from: string, to: string): Promise<number> {
  const begin = performance.now();
  await runChild(["sh", "-c", 'cp --reflink=never "$1" "$2" && sync -d "$2"', "sh", from, to]);
  return (performance.now() - begin) / 1000;
}
