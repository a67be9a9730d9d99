/** Boots a guest from a Debian tree, with the command loop as a service of its init. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { driveArguments, writeTreeDisk, writeTreeInitramfs } from "./debian-tree.ts";
import { bootGuest } from "./guest.ts";
import type { GuestOptions } from "./guest-options.ts";
import type { Guest } from "./guest-handle.ts";
import { type InitramfsFile, writeInitramfs } from "./initramfs.ts";
import { findKernel, moduleFiles } from "./kernel.ts";
import { unpackedPackage } from "./packages.ts";

/** Time for a boot of systemd under emulation on a loaded machine; without load it takes half a minute. */
export const treeBootTimeoutMs = 900_000;

/** Of a Debian system, and of no use to a test: an emulated boot takes seconds for them. */
const maskedUnits = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "systemd-binfmt.service",
  "systemd-logind.service",
  "systemd-pstore.service",
  "systemd-update-utmp.service",
  "systemd-update-utmp-runlevel.service",
];

/**
 * For systemd: no logins on the console, no moving picture of its progress there, and nothing of what it does once for a new
 * system (caches of libraries and hardware, presets of all units): that would be a third of an emulated boot.
 */
export const treeKernelArguments = [
  ...maskedUnits.map((unit) => `systemd.mask=${unit}`),
  "systemd.getty_auto=no",
  "systemd.show_status=no",
  "systemd.condition-needs-update=no",
  "systemd.condition-first-boot=no",
].join(" ");

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

/** Does an initramfs' work: finds the disk and hands over to the init on it. */
const firstProgram = (moduleNames: string[]): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /dev /root
mount -t devtmpfs devtmpfs /dev
${moduleNames.map((name) => `insmod /${name}.ko`).join("\n")}
until [ -b /dev/vda ]; do usleep 10000; done
mount -t ext4 /dev/vda /root
mount -o move /dev /root/dev
exec switch_root /root /sbin/init
`;

/** Writes a file of the tree, instead of what has its name: hard links of the cached tree are not written into. */
export function putFile(tree: string, path: string, content: string | Uint8Array, mode = 0o644): void {
  const place = join(tree, path);
  mkdirSync(dirname(place), { recursive: true });
  rmSync(place, { force: true });
  writeFileSync(place, content);
  chmodSync(place, mode);
}

/** Lays the files of an unpacked package over the tree, whose /bin, /sbin and /lib are links into /usr. Runs nothing of it. */
export function addPackage(tree: string, root: string): void {
  for (const [from, to] of [
    ["bin", "usr/bin"],
    ["sbin", "usr/sbin"],
    ["lib", "usr/lib"],
    ["usr", "usr"],
    ["etc", "etc"],
    ["var", "var"],
  ] as const) {
    if (!existsSync(join(root, from))) continue;
    const copied = Bun.spawnSync(["cp", "-a", "--remove-destination", `${join(root, from)}/.`, join(tree, to)]);
    if (copied.exitCode !== 0) throw new Error(`cp: ${copied.stderr.toString()}`);
  }
}

/** By default systemd gives the root's disk 90 s to appear, which an emulated guest of a busy machine may need. */
const patience = `[Manager]
DefaultDeviceTimeoutSec=900
DefaultTimeoutStartSec=900
`;

export function addCommandsUnit(tree: string): void {
  putFile(tree, "etc/systemd/system.conf.d/patience.conf", patience);
  putFile(tree, "etc/systemd/system/commands.service", commandsUnit);
  mkdirSync(join(tree, "etc/systemd/system/multi-user.target.wants"), { recursive: true });
  symlinkSync(
    "/etc/systemd/system/commands.service",
    join(tree, "etc/systemd/system/multi-user.target.wants/commands.service"),
  );
}

/** For an initramfs that runs systemd, as those of dracut and mkosi do. */
const firstOfSystemd = `#!/bin/sh
modprobe virtio_blk
exec /sbin/init
`;

/** What no initramfs holds, and an emulated guest would have to unpack. */
const notInInitramfs = [
  "usr/bin/{perl*,python3*,apt*,dpkg*}",
  "usr/lib/{apt,cloud-init,dpkg,python3*}",
  "usr/lib/x86_64-linux-gnu/{perl-base,libapt*,libstdc++*}",
  "usr/share/*",
  "var/{cache,lib}",
];

/** Boots the tree by an initramfs in which its own systemd runs without the agent, and hands over to the one on the disk. */
export async function bootTreeBySystemd(tree: string, options: { kernelArguments: string }): Promise<Guest> {
  const first = `${tree}.first`;
  const disk = `${tree}.disk`;
  const initramfs = `${tree}.initramfs`;
  const trim = `cp -al "$1" "$2" && cd "$2" && rm -rf ${notInInitramfs.join(" ")} && find . -name '*trace-agent*' -delete`;
  const trimmed = Bun.spawnSync(["bash", "-c", trim, "bash", tree, first]);
  if (trimmed.exitCode !== 0) throw new Error(`a tree for the initramfs: ${trimmed.stderr.toString()}`);
  putFile(first, "etc/initrd-release", "ID=test\n");
  putFile(first, "etc/first", firstOfSystemd, 0o755);
  rmSync(join(first, "etc/systemd/system/commands.service"));
  await writeTreeDisk(tree, disk);
  await writeTreeInitramfs(first, initramfs);
  return await bootGuest({
    kernel: "6.12",
    initramfs,
    memoryMb: 1024,
    kernelArguments: `rdinit=/etc/first root=/dev/vda rw ${treeKernelArguments} ${options.kernelArguments}`,
    qemuArguments: driveArguments(disk, ",cache=unsafe"),
    bootTimeoutMs: treeBootTimeoutMs,
  });
}

/** Boots the init of the tree, from a disk. */
export async function bootTree(tree: string, options: Omit<GuestOptions, "kernel" | "initramfs"> = {}): Promise<Guest> {
  const disk = `${tree}.disk`;
  const initramfs = `${tree}.initramfs`;
  const kernel = await findKernel("6.12");
  const modules = moduleFiles(kernel, ["virtio_blk"]);
  const busybox = readFileSync(join(await unpackedPackage("busybox-static"), "bin/busybox"));
  await writeTreeDisk(tree, disk);
  const program = (data: Uint8Array | string): InitramfsFile => ({ mode: 0o755, data });
  writeInitramfs(
    initramfs,
    new Map([
      ["/init", program(firstProgram(modules.map(({ name }) => name)))],
      ["/bin/busybox", program(busybox)],
      ...modules.map(({ name, data }): [string, InitramfsFile] => [`/${name}.ko`, { mode: 0o644, data }]),
    ]),
  );
  return await bootGuest({
    bootTimeoutMs: treeBootTimeoutMs,
    memoryMb: 1024,
    ...options,
    kernelArguments: `${treeKernelArguments} ${options.kernelArguments ?? ""}`,
    kernel: kernel.name,
    initramfs,
    qemuArguments: [...driveArguments(disk, ",cache=unsafe"), ...(options.qemuArguments ?? [])],
  });
}
