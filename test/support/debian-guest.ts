/** Boots a guest from a Debian tree, with the command loop as a service of its init. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { controlPortName } from "../../src/protocol/ports.ts";
import { copyDebianTree, debianTreeParts, treeFolder, writeTreeDisk, writeTreeInitramfs } from "./debian-tree.ts";
import { bootGuest } from "./guest.ts";
import type { GuestOptions } from "./guest-options.ts";
import type { Guest } from "./guest-handle.ts";
import { commandsScript } from "./guest-init.ts";
import { type InitramfsFile, writeInitramfs } from "./initramfs.ts";
import { findKernel, moduleFiles } from "./kernel.ts";
import { unpackedPackage } from "./packages.ts";

/** Time for a boot of systemd under emulation on a loaded machine; without load it takes half a minute. */
export const treeBootTimeoutMs = 900_000;

/** For systemd: no moving picture of its progress on the console, and nothing of what it does once for a new system. */
export const treeKernelArguments = [
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

/** Where what comes before the root waits for the word to go on. */
const gate = "/run/gate";
const untilWaiting = `until [ -p ${gate} ]; do usleep 50000; done`;
/** The root's disk was empty when it was looked at first. */
const goOn = `blockdev --flushbufs /dev/vda; echo go >${gate}`;

/**
 * Does an initramfs' work: finds the disk and hands over to the init on it. To open the gate for both ways waits for nobody: where another
 * process ends meanwhile, an open that waits fails in busybox' shell, and it would go on without the word.
 */
const firstProgram = (moduleNames: string[]): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /dev /proc /run/commands /root
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
${moduleNames.map((name) => `insmod /${name}.ko`).join("\n")}
until [ -b /dev/vda ]; do usleep 10000; done
/etc/commands &
mkfifo ${gate}
until read -r word <>${gate}; do :; done
kill -KILL -1
umount /proc
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

export function addCommandsUnit(tree: string, target = "multi-user.target"): void {
  putFile(tree, "etc/systemd/system.conf.d/patience.conf", patience);
  putFile(tree, "etc/systemd/system/commands.service", commandsUnit);
  wantedBy(tree, target, "commands.service");
}

function wantedBy(tree: string, target: string, unit: string): void {
  const folder = join(tree, `etc/systemd/system/${target}.wants`);
  mkdirSync(folder, { recursive: true });
  symlinkSync(`/etc/systemd/system/${unit}`, join(folder, unit));
}

/** For an initramfs that runs systemd, as those of dracut and mkosi do. */
const firstOfSystemd = `#!/bin/sh
modprobe virtio_blk
exec /sbin/init
`;

/** In that initramfs: when all is done but for the root, it waits. */
const gateUnit = `[Unit]
Description=Waits for the test
DefaultDependencies=no
After=systemd-udev-trigger.service initrd-root-device.target
Before=sysroot.mount initrd-root-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStartPre=/usr/bin/mkfifo ${gate}
ExecStart=/bin/sh -c "read -r word <${gate}"
`;

/** What no initramfs holds, and an emulated guest would have to unpack. */
const notInInitramfs = [
  "usr/bin/{perl*,python3*,apt*,dpkg*}",
  "usr/lib/{apt,cloud-init,dpkg,python3*}",
  "usr/lib/x86_64-linux-gnu/{perl-base,libapt*,libstdc++*}",
  "usr/share/*",
  "var/{cache,lib}",
];

/** Boots the tree by an initramfs in which Debian's systemd runs without the agent, and hands over to the one on the disk. */
export async function bootTreeBySystemd(tree: string, options: { kernelArguments: string }): Promise<Guest> {
  const disk = `${tree}.disk`;
  await writeTreeDisk(tree, disk);
  return await bootGuest({
    kernel: "6.12",
    firstStage: {
      parts: [firstOfSystemd, gateUnit, commandsUnit, ...(await debianTreeParts()), ...notInInitramfs],
      writeInitramfs: writeSystemdInitramfs,
      // Its udev has seen the port.
      untilWaiting: `${untilWaiting} && udevadm settle && [ -e /dev/virtio-ports/${controlPortName} ]`,
      goOn,
      disks: [{ path: disk }],
    },
    memoryMb: 1024,
    kernelArguments: `rdinit=/etc/first root=/dev/vda rw ${treeKernelArguments} ${options.kernelArguments}`,
    bootTimeoutMs: treeBootTimeoutMs,
  });
}

async function writeSystemdInitramfs(target: string): Promise<void> {
  const folder = treeFolder();
  try {
    const tree = join(folder, "tree");
    await copyDebianTree(tree);
    const trimmed = Bun.spawnSync(["bash", "-c", `cd "$1" && rm -rf ${notInInitramfs.join(" ")}`, "bash", tree]);
    if (trimmed.exitCode !== 0) throw new Error(`a tree for the initramfs: ${trimmed.stderr.toString()}`);
    addCommandsUnit(tree, "initrd.target");
    putFile(tree, "etc/initrd-release", "ID=test\n");
    putFile(tree, "etc/first", firstOfSystemd, 0o755);
    putFile(tree, "etc/systemd/system/gate.service", gateUnit);
    wantedBy(tree, "initrd-root-fs.target", "gate.service");
    await writeTreeInitramfs(tree, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Boots the init of the tree, from a disk. `disks`: further ones, read-only. */
export async function bootTree(
  tree: string,
  { disks = [], ...options }: Omit<GuestOptions, "kernel" | "firstStage"> & { disks?: string[] } = {},
): Promise<Guest> {
  const disk = `${tree}.disk`;
  const kernel = await findKernel("6.12");
  const modules = moduleFiles(kernel, ["virtio_blk"]);
  const busybox = readFileSync(join(await unpackedPackage("busybox-static"), "bin/busybox"));
  await writeTreeDisk(tree, disk);
  const program = (data: Uint8Array | string): InitramfsFile => ({ mode: 0o755, data });
  const first = firstProgram(modules.map(({ name }) => name));
  const files = new Map([
    ["/init", program(first)],
    ["/etc/commands", program(commandsScript)],
    ["/bin/busybox", program(busybox)],
    ...modules.map(({ name, data }): [string, InitramfsFile] => [`/${name}.ko`, { mode: 0o644, data }]),
  ]);
  return await bootGuest({
    bootTimeoutMs: treeBootTimeoutMs,
    memoryMb: 1024,
    ...options,
    kernelArguments: `${treeKernelArguments} ${options.kernelArguments ?? ""}`,
    kernel: kernel.name,
    firstStage: {
      parts: [first, commandsScript, kernel.release, Bun.hash(busybox).toString(36)],
      writeInitramfs: (target) => Promise.resolve(writeInitramfs(target, files)),
      untilWaiting,
      goOn,
      disks: [{ path: disk }, ...disks.map((path) => ({ path, readonly: true }))],
    },
  });
}
