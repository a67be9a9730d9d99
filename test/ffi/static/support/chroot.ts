/** Trees of files in which a program is run as if they were all there is. */
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { execute, type Outcome } from "./sample.ts";

/** Why no chroot with mounts of its own can be made here; undefined when it can. */
export function whyNoChroot(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root (chroot, mount)";
  const { exitCode, stderr } = execute(["unshare", "--mount", "true"], { env: { PATH: process.env["PATH"] ?? "" } });
  return exitCode === 0 ? undefined : `unshare --mount failed: ${stderr.trim()}`;
}

/** Copies a file to a place in the tree. */
export function install(tree: string, source: string, place: string): void {
  const target = join(tree, place);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
  chmodSync(target, 0o755);
}

/**
 * Runs `command` in the tree, with no environment. Mounts end with the process: they are in a namespace of its own.
 * `before` are shell commands that run first, in the tree's folder.
 */
export function executeIn(tree: string, command: string[], { proc = true, before = "true" } = {}): Outcome {
  mkdirSync(join(tree, "proc"), { recursive: true });
  const mount = proc ? "mount -t proc proc proc" : "true";
  const shell = `cd "$0" && ${mount} && ${before} && exec env -i "$(command -v chroot)" . "$@"`;
  return execute(["unshare", "--mount", "--propagation", "private", "sh", "-c", shell, tree, ...command], {
    env: { PATH: process.env["PATH"] ?? "" },
  });
}
