/**
 * The executable of an earlier commit of this project, built once and kept in the cache: what is spoken with hosts and agents
 * that are out there is tried with one of them.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { projectFolder } from "./imports.ts";
import { takeLock } from "./lock.ts";

/** The last one of protocol 1. */
export const protocol1Commit = "b76b567b";

export type OldExecutable = { path: string } | { skipReason: string };

/** A clone without history, or a copy of the tree without any, has no such commit. */
export async function oldExecutable(commit: string): Promise<OldExecutable> {
  const git = spawnSync("git", ["-C", projectFolder, "rev-parse", "--verify", "--quiet", `${commit}^{commit}`], {
    encoding: "utf8",
  });
  if (git.status !== 0) return { skipReason: `the commit ${commit} is not in this clone` };
  const folder = join(cacheFolder("old-executables"), git.stdout.trim());
  const path = join(folder, "trace-agent");
  mkdirSync(folder, { recursive: true });
  const lock = await takeLock(join(folder, "lock"));
  try {
    if (!existsSync(path)) build(git.stdout.trim(), folder, path);
    return { path };
  } finally {
    lock.release();
  }
}

function build(commit: string, folder: string, path: string): void {
  const tree = join(folder, "tree");
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree);
  const options = { maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "pipe"] as ("pipe" | "ignore")[] };
  const archive = execFileSync("git", ["-C", projectFolder, "archive", commit], options);
  execFileSync("tar", ["-x", "-C", tree], { ...options, input: archive });
  symlinkSync(join(projectFolder, "node_modules"), join(tree, "node_modules"));
  execFileSync(process.execPath, ["build.ts", "--quiet", "--install"], { ...options, cwd: tree });
  renameSync(join(tree, "dist/trace-agent"), path);
  rmSync(tree, { recursive: true });
}
