/** A file system of few bytes, for tests of what happens when it is full. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./agent-process.ts";

/** Runs `use` with a directory on a tmpfs of that size ("64k"), which is taken away again. */
export async function withSmallDisk(size: string, use: (directory: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ta-disk-"));
  const directory = join(folder, "small");
  mkdirSync(directory);
  try {
    const problem = mount(size, directory);
    if (problem !== undefined) throw new Error(`cannot mount a tmpfs: ${problem}`);
    try {
      await use(directory);
    } finally {
      // A file that the disk is still told of in another thread is closed a moment later.
      await eventually(() => spawnSync("umount", [directory]).status === 0, "the small disk can be unmounted");
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function mount(size: string, directory: string): string | undefined {
  const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", directory]);
  return status === 0 ? undefined : (error?.message ?? stderr.toString().trim());
}

/** Why there can be none here, or undefined. */
export function whyNoSmallDisk(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), "ta-disk-"));
  try {
    const problem = mount("64k", directory);
    if (problem === undefined) spawnSync("umount", [directory]);
    return problem === undefined ? undefined : `no right to mount: ${problem}`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
