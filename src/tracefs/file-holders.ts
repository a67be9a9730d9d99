/** Which processes have a file open, as far as /proc lets this one see. */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename } from "node:path";
import { attempt } from "../base/attempt.ts";
import { foreignText } from "../base/foreign-text.ts";

export type Holder = {
  pid: number;
  command: string;
  /** Access mode (O_RDONLY, O_WRONLY or O_RDWR) of each of its descriptors. */
  reads: boolean;
  writes: boolean;
};

/**
 * The holders of each of `paths`, found in one pass over /proc; without this process. A holder may know the file by
 * another path (in a container, in a root of its own), so the files themselves are compared; names only narrow the
 * search.
 */
export function holdersOf(paths: readonly string[]): Map<string, Holder[]> {
  const holders = new Map<string, Holder[]>(paths.map((path) => [path, []]));
  const wanted = new Map<string, string>();
  const names = new Set<string>();
  for (const path of paths) {
    const identity = identityOf(path);
    if (identity === undefined) continue;
    wanted.set(identity, path);
    names.add(basename(attempt(() => realpathSync(path)) ?? path));
  }
  if (wanted.size === 0) return holders;
  for (const { pid, fd, target } of descriptorsOfOthers()) {
    if (!names.has(basename(target))) continue;
    const path = wanted.get(identityOf(`/proc/${pid}/fd/${fd}`) ?? "");
    if (path !== undefined) note(holders.get(path) ?? [], pid, fd);
  }
  return holders;
}

/**
 * What all processes but this one have open. `target`: a path, or what stands for it, as "socket:[4711]". A process that ended, or
 * that we may not inspect, is left out.
 */
export function* descriptorsOfOthers(): Generator<{ pid: number; fd: string; target: string }> {
  for (const entry of attempt(() => readdirSync("/proc")) ?? []) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    for (const fd of attempt(() => readdirSync(`/proc/${entry}/fd`)) ?? []) {
      const target = attempt(() => readlinkSync(`/proc/${entry}/fd/${fd}`));
      if (target !== undefined) yield { pid: Number(entry), fd, target };
    }
  }
}

/** A device is the same under every node of it; other files are identified by device and inode. */
function identityOf(path: string): string | undefined {
  return attempt(() => {
    const status = statSync(path);
    return status.isCharacterDevice() ? `device ${status.rdev}` : `${status.dev}:${status.ino}`;
  });
}

function note(holders: Holder[], pid: number, fd: string): void {
  const flags = /^flags:\s*([0-7]+)$/m.exec(
    attempt(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1")) ?? "",
  )?.[1];
  const access = flags === undefined ? 2 : Number.parseInt(flags, 8) & 3;
  let holder = holders.find((known) => known.pid === pid);
  if (holder === undefined) {
    const command = attempt(() => readFileSync(`/proc/${pid}/comm`, "latin1").trim()) ?? "?";
    holder = { pid, command, reads: false, writes: false };
    holders.push(holder);
  }
  holder.reads ||= access !== 1;
  holder.writes ||= access !== 0;
}

/** "trace-agent (pid 123)". A process of any user can choose its own name. */
export function describeHolder({ command, pid }: Holder): string {
  return `${foreignText(command)} (pid ${pid})`;
}
