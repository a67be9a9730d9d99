/**
 * An arm64 guest under QEMU's emulator: Debian's arm64 cloud kernel, and an initramfs of busybox and what a test adds.
 * Kernel and busybox are fetched with apt and unpacked into the cache; nothing of the system changes.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackedDependency, unpackedPackages } from "../../ffi/static/debian-packages.ts";
import { messageOf } from "../../src/base/errors.ts";
import { takeTurn } from "./guest-turn.ts";
import { hostFiles, type InitramfsFile, writeInitramfs } from "./initramfs.ts";
import { whyNoTools } from "./packages.ts";
import { portArguments } from "./qemu.ts";

/** No `-cpu max`: pointer authentication is slow to emulate. One thread: QEMU 7.2's many-threaded TCG can crash guests. */
const machine = ["-M", "virt", "-cpu", "cortex-a72", "-accel", "tcg,thread=single", "-smp", "2", "-m", "1024"];

/** Why no arm64 guest can be started or no executable for it be built here; undefined when both can. Fetches what they need. */
export async function whyNoArm64(): Promise<string | undefined> {
  if (process.arch !== "x64") return "the test guests are made on x86-64 only";
  const reason = await whyNoTools("qemu-system-aarch64", "aarch64-linux-gnu-gcc");
  if (reason !== undefined) return reason;
  try {
    kernelImage();
    busybox();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Linux 6.12, which has the virtio drivers built in; Debian 12 has it under this name beside its own 6.1. */
function kernelImage(): string {
  const folder = unpackedDependency("arm64", "linux-image-6.12-cloud-arm64");
  const name = readdirSync(join(folder, "boot")).find((file) => file.startsWith("vmlinuz-"));
  if (name === undefined) throw new Error(`no kernel in ${folder}/boot`);
  return join(folder, "boot", name);
}

function busybox(): string {
  return join(unpackedPackages("arm64", ["busybox-static"]), "bin/busybox");
}

export type ArmGuest = {
  /** What the guest has written to its console so far. */
  console: () => string;
  /** The host's end of a virtio-serial port. */
  port: (name: string) => Socket;
  stop: () => Promise<void>;
};

/** Boots a guest whose init is this shell script, with files of this machine, and one port of each name. */
export async function bootArm64(init: string, files: Record<string, string>, portNames: string[]): Promise<ArmGuest> {
  const release = await takeTurn();
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-arm64-"));
  const initramfs = join(folder, "initramfs");
  writeInitramfs(initramfs, contentsOf(init, files));
  const boot = ["-kernel", kernelImage(), "-initrd", initramfs, "-append", "console=ttyAMA0 panic=-1 quiet"];
  const rest = [
    "-nodefaults",
    "-nographic",
    "-no-reboot",
    "-serial",
    "stdio",
    ...portArguments(folder, portNames, "socket", 0),
  ];
  // setpriv: QEMU must not outlive this process, however that ends.
  const command = ["setpriv", "--pdeathsig", "KILL", "--", "qemu-system-aarch64", ...machine, ...boot, ...rest];
  const qemu = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  let text = "";
  const reading = (async () => {
    for await (const bytes of qemu.stdout) text += Buffer.from(bytes).toString("latin1");
  })();
  const sockets = new Map<string, Socket>();
  for (const name of portNames) sockets.set(name, await connectTo(join(folder, `${name}.sock`)));
  return {
    console: () => text,
    port: (name) => {
      const socket = sockets.get(name);
      if (socket === undefined) throw new Error(`no port "${name}"`);
      return socket;
    },
    stop: async () => {
      qemu.kill("SIGKILL");
      await Promise.all([qemu.exited, reading]);
      for (const socket of sockets.values()) socket.destroy();
      rmSync(folder, { recursive: true, force: true });
      release();
    },
  };
}

function contentsOf(init: string, files: Record<string, string>): Map<string, InitramfsFile> {
  const mountPoints = ["/dev", "/proc", "/sys"].map((path): [string, InitramfsFile] => [
    `${path}/.keep`,
    { mode: 0o644, data: "" },
  ]);
  const all = new Map<string, InitramfsFile>([["/init", { mode: 0o755, data: init }], ...mountPoints]);
  for (const [place, source] of Object.entries({ "/bin/busybox": busybox(), ...files })) {
    for (const [path, file] of hostFiles(place, source)) all.set(path, file);
  }
  return all;
}

/** QEMU makes the sockets a moment after its start, and listens to each a moment after it made it. */
async function connectTo(path: string): Promise<Socket> {
  for (let triesLeft = 6000; ; triesLeft--) {
    const socket = connect(path);
    const failure = await new Promise<Error | undefined>((resolve) =>
      socket.once("connect", () => resolve(undefined)).once("error", resolve),
    );
    if (failure === undefined) return socket;
    if (triesLeft === 0) throw failure;
    await Bun.sleep(50);
  }
}
