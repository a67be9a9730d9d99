/**
 * Real guests for tests, the demo and the benchmarks: QEMU, a Debian cloud kernel, busybox, and the files that a test gives.
 *
 *   const guest = await bootGuest({ kernel: "6.12", cpus: 2, files: { "/bin/trace-agent": executable } });
 *   const { stdout } = await guest.run("uname -r");                 // shell text, as root; throws when it fails
 *   const agent = await guest.spawn("exec trace-agent");            // in the background
 *   await agent.says("armed: ");
 *   using ends = new HostEnds(guest, { cpus: [0, 1] });   // the host's ends of its ports
 *   await guest.close();
 *
 * In a test file `describeWithGuest` (describe-guest.ts) does the boot, the end, and the skip where no guest can be had.
 *
 * A guest is booted once and kept; after that it is restored, in a second, in the state in which it took its first command
 * (kept-guest.ts). Give `boot: true` where the boot is what is tested. `files` come with the restore and lie behind links. All
 * guests restored from one have the same uptime; boot id and wall clock are each one's own.
 *
 * As many processes as this machine has CPUs have guests at a time (locks in the cache); others wait for them. A process may
 * have several guests at once.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../ffi/pipe.ts";
import { goOnToRoot } from "./first-stage.ts";
import { attachScript, writeDisks } from "./guest-disks.ts";
import { Guest } from "./guest-handle.ts";
import { booted, bootTimeoutMs, isKept, type Plan, portNames, restored } from "./guest-start.ts";
import type { GuestOptions } from "./guest-options.ts";
import { guestWaitMs, takeTurn } from "./guest-turn.ts";
import { findKernel, type Kernel, type KernelName } from "./kernel.ts";
import { unpackedPackage, whyNoTools } from "./packages.ts";
import { canUseKvm, type Transport } from "./qemu.ts";
import type { QemuProcess } from "./qemu-process.ts";

/** For `beforeAll`: other processes may have guests that this one waits for, and packages may have to be fetched. */
export const guestHookTimeoutMs = guestWaitMs + 3 * bootTimeoutMs;

/** Why no guest with this kernel can be booted here, undefined when it can. Fetches and installs what is needed. */
export async function whyNoGuest(kernel: KernelName): Promise<string | undefined> {
  if (process.arch !== "x64") return "test guests are x86-64 only";
  const reason = await whyNoTools("qemu-system-x86_64", "xz", "/usr/sbin/mke2fs");
  if (reason !== undefined) return reason;
  try {
    await findKernel(kernel);
    await unpackedPackage("busybox-static");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Gives a guest in which commands can be run. Rejects with the console's last lines when it does not come up. */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  const reason = await whyNoGuest(options.kernel);
  if (reason !== undefined) throw new Error(`cannot boot a guest: ${reason}`);
  const kernel = await findKernel(options.kernel);
  const release = await takeTurn();
  try {
    const kvm = await canUseKvm((timeoutMs) => boots(kernel, timeoutMs));
    return await start(kernel, options, kvm, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function boots(kernel: Kernel, timeoutMs: number): Promise<boolean> {
  try {
    const options = { kernel: kernel.name, cpus: 1, ports: [], boot: true, bootTimeoutMs: timeoutMs };
    await (await start(kernel, options, true, () => {})).close();
    return true;
  } catch {
    return false;
  }
}

async function start(kernel: Kernel, options: GuestOptions, kvm: boolean, release: () => void): Promise<Guest> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-guest-"));
  const { files = {}, transport = "fifo" } = options;
  const directory = options.prepared?.directory ?? join(folder, "ports");
  const { firstStage, initramfs } = options;
  const disks = initramfs === undefined && firstStage === undefined ? writeDisks(folder, files) : undefined;
  const plan: Plan = { kernel, options, kvm, directory, disks };
  let started: QemuProcess | undefined;
  try {
    if (options.prepared === undefined) makePorts(directory, portNames(options), transport);
    const qemu = isKept(options) ? await restored(plan, folder) : await booted(plan, folder);
    started = qemu;
    const attach = async (): Promise<void> => {
      if (disks === undefined) return;
      const script = [wakeScript(), attachScript(files)].filter((text) => text !== "").join(" && ");
      const { code, stderr } = await qemu.commands.run(script, bootTimeoutMs);
      if (code !== 0) throw new Error(`the files did not come into the guest\n${stderr}\n${qemu.consoleText()}`);
    };
    if (firstStage === undefined) await attach();
    else await goOnToRoot(firstStage, qemu, options.bootTimeoutMs ?? bootTimeoutMs);
    const keepLog = (): void => {
      const logs = process.env["TRACE_AGENT_TEST_LOGS"];
      if (logs !== undefined)
        copyFileSync(join(folder, "console.log"), join(logs, `guest-${process.pid}-${qemu.pid}.log`));
    };
    return new Guest({
      kernel,
      directory,
      transport,
      pid: qemu.pid,
      commands: qemu.commands,
      qmp: qemu.qmp,
      consoleText: qemu.consoleText,
      ...(disks === undefined ? {} : { exchange: disks.exchange }),
      rebooted: async () => {
        await qemu.commands.readyAgain;
        await attach();
      },
      end: async () => {
        await qemu.kill();
        keepLog();
        rmSync(folder, { recursive: true, force: true });
        release();
      },
    });
  } catch (error) {
    await started?.kill();
    rmSync(folder, { recursive: true, force: true });
    throw error;
  } finally {
    if (options.initramfs !== undefined) rmSync(options.initramfs, { force: true });
  }
}

/** Shell text: somebody sets the guest's time of day, so much later. */
export function setTime(seconds: number): string {
  return `date -s @$(( $(date +%s) + ${seconds} )) >/dev/null`;
}

/**
 * What a restored guest must not have from the one that was kept: its clock stood still, and its random numbers are those of
 * every other guest that is restored from it.
 */
function wakeScript(): string {
  const bootId = "/proc/sys/kernel/random/boot_id";
  return [
    `date -s @${Math.round(Date.now() / 1000)} >/dev/null`,
    `echo ${crypto.randomUUID()} >/run/boot_id && mount --bind /run/boot_id ${bootId}`,
  ].join(" && ");
}

/** The host ends of ports as `trace-agent setup` lays them out; QEMU makes the sockets itself. */
function makePorts(directory: string, names: string[], transport: Transport): void {
  mkdirSync(directory, { mode: 0o750 });
  if (transport === "socket") return;
  for (const name of names) {
    makeFifo(join(directory, `${name}.in`), 0o600);
    makeFifo(join(directory, `${name}.out`), 0o600);
  }
}
