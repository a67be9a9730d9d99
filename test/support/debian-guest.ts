/** Boots a guest from a Debian tree, with the command loop as a service of its init. */
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeTreeInitramfs } from "./debian-tree.ts";
import { bootGuest, type GuestOptions } from "./guest.ts";
import type { Guest } from "./guest-handle.ts";
import { commandsScript } from "./guest-init.ts";
import { findKernel } from "./kernel.ts";
import { unpackedPackage } from "./packages.ts";

/** Time for a boot of systemd under emulation on a loaded machine; without load it takes half a minute. */
const bootTimeoutMs = 420_000;

const commandsUnit = `[Unit]
Description=Carries out the commands of the test

[Service]
ExecStartPre=/bin/mkdir -p /run/commands
ExecStart=/etc/commands
Restart=always
StandardInput=null

[Install]
WantedBy=multi-user.target
`;

/** Does an initramfs' work: the drivers of disks are there before init looks for disks. */
const firstProgram = `#!/bin/sh
modprobe virtio_blk
exec /sbin/init
`;

/** Writes a file of the tree, instead of what has its name: hard links of the cached tree are not written into. */
export function putFile(tree: string, path: string, content: string | Uint8Array, mode = 0o644): void {
  const place = join(tree, path);
  mkdirSync(dirname(place), { recursive: true });
  rmSync(place, { force: true });
  writeFileSync(place, content);
  chmodSync(place, mode);
}

/** Puts the command loop and the kernel's modules into the tree. */
export async function prepareTree(tree: string): Promise<void> {
  const kernel = await findKernel("6.12");
  const busybox = join(await unpackedPackage("busybox-static"), "bin/busybox");
  cpSync(busybox, join(tree, "usr/bin/busybox"));
  symlinkSync("busybox", join(tree, "usr/bin/usleep"));
  putFile(tree, "etc/commands", commandsScript, 0o755);
  putFile(tree, "etc/first", firstProgram, 0o755);
  for (const module of ["isofs/isofs", "cdrom/cdrom", "block/virtio_blk"]) {
    const [path = ""] = [...new Bun.Glob(`kernel/**/${module}.ko*`).scanSync(kernel.modules)];
    const target = join(tree, "usr/lib/modules", kernel.release, path);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(kernel.modules, path), target);
  }
  const depmod = Bun.spawnSync(["chroot", tree, "depmod", kernel.release]);
  if (depmod.exitCode !== 0) throw new Error(`depmod: ${depmod.stderr.toString()}`);
}

/** Lays the files of an unpacked package over the tree, whose /bin, /sbin and /lib are links into /usr. Runs nothing of it. */
export function addPackage(tree: string, root: string): void {
  for (const [from, to] of [["bin", "usr/bin"], ["sbin", "usr/sbin"], ["lib", "usr/lib"], ["usr", "usr"], ["etc", "etc"], ["var", "var"]] as const) {
    if (!existsSync(join(root, from))) continue;
    const copied = Bun.spawnSync(["cp", "-a", "--remove-destination", `${join(root, from)}/.`, join(tree, to)]);
    if (copied.exitCode !== 0) throw new Error(`cp: ${copied.stderr.toString()}`);
  }
}

export function addCommandsUnit(tree: string): void {
  putFile(tree, "etc/systemd/system/commands.service", commandsUnit);
  mkdirSync(join(tree, "etc/systemd/system/multi-user.target.wants"), { recursive: true });
  symlinkSync("/etc/systemd/system/commands.service", join(tree, "etc/systemd/system/multi-user.target.wants/commands.service"));
}

export async function bootTree(tree: string, options: Omit<GuestOptions, "kernel" | "initramfs"> = {}): Promise<Guest> {
  const initramfs = `${tree}.initramfs`;
  try {
    await writeTreeInitramfs(tree, initramfs);
    return await bootGuest({
      bootTimeoutMs,
      memoryMb: 2048,
      ...options,
      kernel: "6.12",
      initramfs,
      kernelArguments: `rdinit=/etc/first ${options.kernelArguments ?? ""}`,
    });
  } finally {
    rmSync(initramfs, { force: true });
  }
}
