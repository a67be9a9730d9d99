/**
 * Writes the initramfs of a guest: a cpio archive of the "newc" form (Documentation/driver-api/early-userspace/
 * buffer-format.rst), not compressed, because unpacking costs an emulated guest more than reading.
 */
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

export type InitramfsFile = { mode: number; data: Uint8Array | string };

const directoryMode = 0o040755;
const regularFile = 0o100000;

/** Writes `files` (by absolute path in the guest) to `target`; the folders they need are made. */
export function writeInitramfs(target: string, files: Map<string, InitramfsFile>): void {
  const fd = openSync(target, "w");
  try {
    const made = new Set(["/"]);
    for (const [path, file] of files) {
      for (const folder of parentsOf(path)) {
        if (made.has(folder)) continue;
        made.add(folder);
        writeEntry(fd, folder, directoryMode, new Uint8Array());
      }
      writeEntry(fd, path, regularFile | file.mode, typeof file.data === "string" ? Buffer.from(file.data) : file.data);
    }
    writeEntry(fd, "/TRAILER!!!", 0, new Uint8Array());
  } finally {
    closeSync(fd);
  }
}

/** The file, or all files under the folder, at `hostPath`, to lie at `guestPath`. */
export function* hostFiles(guestPath: string, hostPath: string): Generator<[string, InitramfsFile]> {
  const { mode } = statSync(hostPath);
  if ((mode & 0o170000) === regularFile) {
    yield [guestPath, { mode: mode & 0o777, data: readFileSync(hostPath) }];
    return;
  }
  for (const name of readdirSync(hostPath)) yield* hostFiles(join(guestPath, name), join(hostPath, name));
}

function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [...parentsOf(parent), parent];
}

let inode = 1;

function writeEntry(fd: number, path: string, mode: number, data: Uint8Array): void {
  const name = Buffer.from(`${path.slice(1)}\0`);
  const fields = [inode++, mode, 0, 0, 1, 0, data.byteLength, 0, 0, 0, 0, name.byteLength, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  writeAll(fd, padded(Buffer.concat([Buffer.from(header), name])));
  writeAll(fd, data);
  writeAll(fd, new Uint8Array(-data.byteLength & 3));
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.byteLength & 3)]);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(fd, bytes, at);
}
