/** The two ways to a running guest: it is booted, or restored from one that was kept. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";
import type { GuestOptions } from "./guest-options.ts";
import { type FirstStage, stageDiskArguments, stageParts, withEmptyDisks } from "./first-stage.ts";
import { diskArguments, type GuestDisks, writeDisks } from "./guest-disks.ts";
import { guestInitFiles } from "./guest-init.ts";
import { type InitramfsFile, writeInitramfs } from "./initramfs.ts";
import {
  dropKept,
  incomingArguments,
  incomingEnvironment,
  type KeptGuest,
  keptGuest,
  keptName,
  resume,
} from "./kept-guest.ts";
import { type Kernel, moduleFiles } from "./kernel.ts";
import { unpackedPackage } from "./packages.ts";
import { machineArguments, portArguments, qemuIdentity, withoutHost } from "./qemu.ts";
import { type QemuProcess, startQemu } from "./qemu-process.ts";

/** Under emulation on a loaded machine; without load it takes about 5 s. */
export const bootTimeoutMs = 180_000;
/** Without load it takes half a second. */
const restoreTimeoutMs = 180_000;

/** What both ways to a running guest need. */
export type Plan = {
  kernel: Kernel;
  options: GuestOptions;
  kvm: boolean;
  /** The host ends of the ports. */
  directory: string;
  /** Of a guest with the harness's own init. */
  disks: GuestDisks | undefined;
};

export function isKept(options: GuestOptions): boolean {
  const { boot = false, reboot = false, initramfs, qemuArguments = [] } = options;
  return !boot && !reboot && initramfs === undefined && qemuArguments.length === 0;
}

/** QEMU's words for the plan, with its own files in `folder`, and without the disks of a first stage. */
function wordsOf({ kernel, options, kvm, directory, disks }: Plan, folder: string, initramfs: string): string[] {
  const cpus = options.cpus ?? 2;
  const machine = machineArguments({
    kernel,
    initramfs,
    cpus,
    maxCpus: options.maxCpus ?? cpus,
    memoryMb: options.memoryMb ?? 640,
    kvm,
    cpuModel: options.cpuModel,
    kernelArguments: options.kernelArguments ?? "",
    reboot: options.reboot ?? false,
    folder,
  });
  const ports =
    options.prepared?.qemuArguments ??
    portArguments(directory, portNames(options), options.transport ?? "fifo", options.spareSlots ?? 4);
  return [...machine, ...(disks === undefined ? [] : diskArguments(disks)), ...ports, ...(options.qemuArguments ?? [])];
}

export async function booted(plan: Plan, folder: string): Promise<QemuProcess> {
  const initramfs = plan.options.initramfs ?? join(folder, "initramfs");
  const { firstStage } = plan.options;
  if (firstStage !== undefined) await firstStage.writeInitramfs(initramfs);
  else if (plan.options.initramfs === undefined) writeInitramfs(initramfs, await baseFiles(plan));
  const timeoutMs = plan.options.bootTimeoutMs ?? bootTimeoutMs;
  const words = [...wordsOf(plan, folder, initramfs), ...stageDisks(firstStage)];
  try {
    return await startQemu(words, { folder, timeoutMs, ready: (qemu) => readyToKeep(firstStage, qemu) });
  } catch (error) {
    throw new Error(`kernel ${plan.kernel.release} did not boot\n${String(error)}`, { cause: error });
  }
}

/** From a kept guest, which is made when there is none; where that fails, twice, it is booted. */
export async function restored(plan: Plan, folder: string): Promise<QemuProcess> {
  const words = wordsOf(plan, folder, join(folder, "initramfs"));
  const { firstStage } = plan.options;
  const contents = firstStage === undefined ? partsOf(await baseFiles(plan)) : stageParts(firstStage);
  const withoutPlaces = withoutHost(words).map((word) => word.replaceAll(folder, "").replaceAll(plan.directory, ""));
  const name = keptName([...qemuIdentity(plan.kvm), plan.kernel.release, ...withoutPlaces, ...contents]);
  for (let tries = 0; tries < 2; tries++) {
    try {
      const kept = await keptGuest(name, (env) => makeKept(plan, env));
      return await restore(kept, [...words, ...stageDisks(firstStage)], folder);
    } catch (error) {
      process.stderr.write(`a kept guest cannot be used: ${String(error)}\n`);
      dropKept(name);
    }
  }
  return await booted(plan, folder);
}

async function restore(kept: KeptGuest, words: string[], folder: string): Promise<QemuProcess> {
  // A restored machine has its memory; QEMU would only read these files.
  writeFileSync(join(folder, "initramfs"), "");
  const ready = async (qemu: QemuProcess): Promise<void> => {
    await resume(qemu);
    await qemu.commands.run("true", restoreTimeoutMs);
  };
  const env = incomingEnvironment(kept);
  const qemu = await startQemu([...words, ...incomingArguments], { folder, timeoutMs: restoreTimeoutMs, env, ready });
  return { ...qemu, consoleText: () => kept.console + qemu.consoleText() };
}

/** The guest to keep: its ports lead nowhere, its disks are empty. */
async function makeKept(plan: Plan, env: Record<string, string>): Promise<QemuProcess> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-guest-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const { firstStage } = plan.options;
    const emptyStage = firstStage === undefined ? undefined : withEmptyDisks(firstStage, folder);
    const empty = { ...plan, disks: plan.disks === undefined ? undefined : writeDisks(folder, {}) };
    const initramfs = join(folder, "initramfs");
    if (firstStage === undefined) writeInitramfs(initramfs, await baseFiles(plan));
    else await firstStage.writeInitramfs(initramfs);
    const words = [...withoutHost(wordsOf(empty, folder, initramfs)), ...stageDisks(emptyStage)];
    const timeoutMs = plan.options.bootTimeoutMs ?? bootTimeoutMs;
    const qemu = await startQemu(words, { folder, timeoutMs, env, ready: (qemu) => readyToKeep(firstStage, qemu) });
    return { ...qemu, kill: () => qemu.kill().finally(remove) };
  } catch (error) {
    remove();
    throw new Error(`kernel ${plan.kernel.release} did not boot\n${String(error)}`, { cause: error });
  }
}

function stageDisks(stage: FirstStage | undefined): string[] {
  return stage === undefined ? [] : stageDiskArguments(stage);
}

async function readyToKeep(stage: FirstStage | undefined, qemu: QemuProcess): Promise<void> {
  await qemu.commands.ready;
  if (stage === undefined) return;
  const { code, stderr } = await qemu.commands.run(stage.untilWaiting, bootTimeoutMs);
  if (code !== 0) throw new Error(`what comes before the root does not come to its end\n${stderr}`);
}

function partsOf(files: Map<string, InitramfsFile>): string[] {
  return [...files].flatMap(([path, { mode, data }]) => [path, `${mode}`, Bun.hash(data).toString(16)]);
}

/** What every guest of the harness boots with: no file of a test. */
async function baseFiles({ kernel, options }: Plan): Promise<Map<string, InitramfsFile>> {
  const busybox = readFileSync(join(await unpackedPackage("busybox-static"), "bin/busybox"));
  return new Map<string, InitramfsFile>(
    guestInitFiles(busybox, moduleFiles(kernel, ["virtio_blk", ...(options.modules ?? [])])),
  );
}

export function portNames({ cpus = 2, ports }: GuestOptions): string[] {
  return ports ?? [controlPortName, ...Array.from({ length: cpus }, (_, cpu) => dataPortName(cpu))];
}
