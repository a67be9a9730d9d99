/**
 * Real guests for tests, the demo and the benchmarks: QEMU, a Debian cloud kernel, busybox, and the files that a test gives.
 *
 *   const guest = await bootGuest({ kernel: "6.12", cpus: 2, files: { "/bin/trace-agent": executable } });
 *   const { stdout } = await guest.run("uname -r");
 *
 * One process at a time on this machine has guests (a lock in the cache); others wait for it.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../ffi/pipe.ts";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";
import { GuestConsole } from "./console.ts";
import { Guest } from "./guest-handle.ts";
import { guestInitFiles } from "./guest-init.ts";
import { guestWaitMs, takeTurn } from "./guest-turn.ts";
import { hostFiles, writeInitramfs } from "./initramfs.ts";
import { findKernel, type Kernel, type KernelName, moduleFiles } from "./kernel.ts";
import { unpackedPackage, whyNoTools } from "./packages.ts";
import { canUseKvm, machineArguments, portArguments, type Transport } from "./qemu.ts";
import { Qmp } from "./qmp.ts";

export type GuestOptions = {
  kernel: KernelName;
  /** 2 by default. */
  cpus?: number;
  /** More than `cpus` leaves room for CPU hot-plug (only 6.1 reserves it under emulation). */
  maxCpus?: number;
  /** 512 by default, which is enough for the agent's executable. */
  memoryMb?: number;
  /** FIFOs by default. */
  transport?: Transport;
  /** Names of the virtio-serial ports; the control port and one data port for each of `cpus` by default. */
  ports?: string[];
  /** Free port numbers on the last virtio-serial device, for hot-plug; 4 by default. */
  spareSlots?: number;
  /**
   * A directory and QEMU arguments made elsewhere (by `trace-agent setup`), instead of those for `ports` and `transport`. The
   * directory is not removed.
   */
  prepared?: { directory: string; qemuArguments: string[] };
  /** Files and folders of this machine, by their path in the guest. */
  files?: Record<string, string>;
  /**
   * An initramfs with an init of its own, instead of busybox and `files`; it is removed after the boot. Its init must run
   * `commandsScript` of guest-init.ts.
   */
  initramfs?: string;
  /** Kernel modules to insert beside those of virtio-serial, dependencies first. */
  modules?: string[];
  /** Kernel command line, added to the harness's. */
  kernelArguments?: string;
  /** Further arguments of QEMU. */
  qemuArguments?: string[];
  /** True: a reboot in the guest reboots it (see `Guest.rebooted`). Else it ends QEMU. */
  reboot?: boolean;
  bootTimeoutMs?: number;
};

/** Under emulation on a loaded machine; without load it takes about 5 s. */
const bootTimeoutMs = 180_000;

/** For `beforeAll`: another process may have a guest that this one waits for, and packages may have to be fetched. */
export const guestHookTimeoutMs = guestWaitMs + 2 * bootTimeoutMs;

/** Why no guest with this kernel can be booted here, undefined when it can. Fetches and installs what is needed. */
export async function whyNoGuest(kernel: KernelName): Promise<string | undefined> {
  if (process.arch !== "x64") return "test guests are x86-64 only";
  const reason = await whyNoTools("qemu-system-x86_64", "xz");
  if (reason !== undefined) return reason;
  try {
    await findKernel(kernel);
    await unpackedPackage("busybox-static");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Boots a guest and resolves when commands can be run in it. Rejects with the console's last lines when it does not boot. */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  const reason = await whyNoGuest(options.kernel);
  if (reason !== undefined) throw new Error(`cannot boot a guest: ${reason}`);
  const kernel = await findKernel(options.kernel);
  const release = await takeTurn();
  try {
    const kvm = await canUseKvm((timeoutMs) => boots(kernel, timeoutMs));
    return await boot(kernel, options, kvm, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function boots(kernel: Kernel, timeoutMs: number): Promise<boolean> {
  try {
    const options = { kernel: kernel.name, cpus: 1, ports: [], bootTimeoutMs: timeoutMs };
    await (await boot(kernel, options, true, () => {})).close();
    return true;
  } catch {
    return false;
  }
}

async function boot(kernel: Kernel, options: GuestOptions, kvm: boolean, release: () => void): Promise<Guest> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-guest-"));
  const cpus = options.cpus ?? 2;
  const initramfs = options.initramfs ?? join(folder, "initramfs");
  const machine = machineArguments({
    kernel,
    initramfs,
    cpus,
    maxCpus: options.maxCpus ?? cpus,
    memoryMb: options.memoryMb ?? 512,
    kvm,
    kernelArguments: options.kernelArguments ?? "",
    reboot: options.reboot ?? false,
    folder,
  });
  if (options.initramfs === undefined) await writeFilesOf(kernel, options, initramfs);
  const names = options.ports ?? [controlPortName, ...Array.from({ length: cpus }, (_, cpu) => dataPortName(cpu))];
  const transport = options.transport ?? "fifo";
  const directory = options.prepared?.directory ?? join(folder, "ports");
  if (options.prepared === undefined) makePorts(directory, names, transport);
  const ports = options.prepared?.qemuArguments ?? portArguments(directory, names, transport, options.spareSlots ?? 4);

  // setpriv: QEMU must not outlive this process, however that ends.
  const command = ["setpriv", "--pdeathsig", "KILL", "--", ...machine, ...ports, ...(options.qemuArguments ?? [])];
  const qemu = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: Bun.file(join(folder, "qemu.log")) });
  const consoleText = (): string => textOf(join(folder, "qemu.log")) + textOf(join(folder, "console.log"));
  const commands = new GuestConsole((line) => {
    void qemu.stdin.write(line);
    void qemu.stdin.flush();
  });
  const gone = new AbortController();
  const finished = qemu.exited.then((code) => {
    const error = new Error(`the guest ended (QEMU's exit code ${code})\n${lastLines(consoleText())}`);
    commands.end(error);
    gone.abort(error);
  });
  void pump(qemu.stdout, commands);
  const timeoutMs = options.bootTimeoutMs ?? bootTimeoutMs;
  const timer = setTimeout(() => qemu.kill("SIGKILL"), timeoutMs);
  try {
    const qmp = await Qmp.connect(join(folder, "qmp.sock"), gone.signal);
    await commands.ready;
    const keepLog = (): void => {
      const logs = process.env["TRACE_AGENT_TEST_LOGS"];
      if (logs !== undefined) copyFileSync(join(folder, "console.log"), join(logs, `guest-${process.pid}-${qemu.pid}.log`));
    };
    return new Guest({
      kernel,
      directory,
      transport,
      pid: qemu.pid,
      commands,
      qmp,
      consoleText,
      end: async () => {
        qmp.close();
        qemu.kill("SIGKILL");
        await finished;
        keepLog();
        rmSync(folder, { recursive: true, force: true });
        release();
      },
    });
  } catch (error) {
    qemu.kill("SIGKILL");
    await finished;
    const text = consoleText();
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`kernel ${kernel.release} did not boot within ${timeoutMs} ms\n${lastLines(text)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    rmSync(initramfs, { force: true });
  }
}

async function writeFilesOf(kernel: Kernel, options: GuestOptions, target: string): Promise<void> {
  const busybox = readFileSync(join(await unpackedPackage("busybox-static"), "bin/busybox"));
  const files = new Map(guestInitFiles(busybox, moduleFiles(kernel, options.modules)));
  for (const [guestPath, hostPath] of Object.entries(options.files ?? {})) {
    for (const [path, file] of hostFiles(guestPath, hostPath)) files.set(path, file);
  }
  writeInitramfs(target, files);
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

async function pump(stream: ReadableStream<Uint8Array>, commands: GuestConsole): Promise<void> {
  for await (const chunk of stream) commands.receive(chunk);
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, "latin1") : "";
}

/** The end of a console log, for an error's text. */
function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-40).join("\n");
}
