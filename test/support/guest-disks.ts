/**
 * The two disks of a guest of this harness. `files` holds the files that a test gives, read-only: a kept guest has none of
 * them, they come with its restore. `exchange` carries bytes between a running guest and this process; its serial port takes
 * a second for 10 KiB.
 */
import {
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";

/** A kept guest knows the size of its disks, so it is the same for all. What is not written takes no space. */
const filesDiskBytes = 1024 * 2 ** 20;
export const exchangeBytes = 64 * 2 ** 20;

/** Where the guest mounts the first; each file of it has a link at the place that the test wants. */
const mountPoint = "/files";
const filesDevice = "/dev/vda";
export const exchangeDevice = "/dev/vdb";

export type GuestDisks = { files: string; exchange: string };

export function diskArguments(disks: GuestDisks): string[] {
  const drive = (id: string, path: string, more: string): string[] => [
    "-drive",
    `if=none,id=${id},format=raw,file=${path.replaceAll(",", ",,")}${more}`,
    "-device",
    `virtio-blk-pci,drive=${id}`,
  ];
  return [...drive("files", disks.files, ",readonly=on"), ...drive("exchange", disks.exchange, "")];
}

/** Writes both into `folder`. `files`: of this machine, files or folders, by their path in the guest. */
export function writeDisks(folder: string, files: Record<string, string>): GuestDisks {
  const disks = { files: join(folder, "files.disk"), exchange: join(folder, "exchange.disk") };
  for (const [path, size] of [
    [disks.files, filesDiskBytes],
    [disks.exchange, exchangeBytes],
  ] as const) {
    writeFileSync(path, "");
    truncateSync(path, size);
  }
  if (Object.keys(files).length === 0) return disks;
  const staging = join(folder, "files");
  for (const [guestPath, hostPath] of Object.entries(files)) stage(hostPath, join(staging, guestPath));
  // No journal, no checksums: nobody writes it, and an emulated CPU reads it.
  const form = ["-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^64bit", "-m", "0", "-N", "4096"];
  const made = Bun.spawnSync(["mke2fs", ...form, "-E", "root_owner=0:0", "-d", staging, disks.files]);
  if (made.exitCode !== 0) throw new Error(`mke2fs for the guest's files failed: ${made.stderr.toString()}`);
  rmSync(staging, { recursive: true });
  return disks;
}

/** Shell text that puts `files` at their places in the guest. A file that lies there already gives way. */
export function attachScript(files: Record<string, string>): string {
  const paths = Object.keys(files);
  if (paths.length === 0) return "";
  return [
    // A kept guest has looked at the disk when it was empty.
    `blockdev --flushbufs ${filesDevice}`,
    `mkdir -p ${mountPoint}`,
    `mount -t ext4 -o ro ${filesDevice} ${mountPoint}`,
    ...new Set(paths.map((path) => `mkdir -p '${dirname(path)}'`)),
    ...paths.map((path) => `ln -sfn '${mountPoint}${path}' '${path}'`),
  ].join(" && ");
}

function stage(hostPath: string, target: string): void {
  if (statSync(hostPath).isDirectory()) {
    mkdirSync(target, { recursive: true });
    for (const name of readdirSync(hostPath)) stage(join(hostPath, name), join(target, name));
    return;
  }
  mkdirSync(dirname(target), { recursive: true });
  try {
    linkSync(hostPath, target);
  } catch {
    // Another file system.
    copyFileSync(hostPath, target);
  }
}

/** The first `size` bytes of a disk. */
export function readDisk(path: string, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  const fd = openSync(path, "r");
  try {
    for (let at = 0; at < size;) {
      const count = readSync(fd, bytes, at, size - at, at);
      if (count === 0) throw new Error(`${path} ends after ${at} of ${size} bytes`);
      at += count;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}
