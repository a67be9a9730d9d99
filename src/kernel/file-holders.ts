/** Which processes have a file open, as far as /proc lets this one see. */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";

export type Holder = {
  pid: number;
  command: string;
  /** O_RDONLY, O_WRONLY or O_RDWR in each of its descriptors. */
  reads: boolean;
  writes: boolean;
};

/** The holders of each of `paths`, found in one walk over /proc; this process is left out. */
export function holdersOf(paths: readonly string[]): Map<string, Holder[]> {
  const holders = new Map<string, Holder[]>(paths.map((path) => [path, []]));
  const wanted = new Map<string, string>();
  for (const path of paths) {
    const target = attempt(() => realpathSync(path));
    if (target !== undefined) wanted.set(target, path);
  }
  if (wanted.size === 0) return holders;
  for (const pid of attempt(() => readdirSync("/proc")) ?? []) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    // A process that ended, or is not ours to look into, holds nothing that we could tell.
    for (const fd of attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
      const path = wanted.get(attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? "");
      if (path !== undefined) note(holders.get(path) ?? [], pid, fd);
    }
  }
  return holders;
}

function note(holders: Holder[], pid: string, fd: string): void {
  const flags = /^flags:\s*([0-7]+)$/m.exec(attempt(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1")) ?? "")?.[1];
  const access = flags === undefined ? 2 : Number.parseInt(flags, 8) & 3;
  let holder = holders.find((known) => known.pid === Number(pid));
  if (holder === undefined) {
    const command = attempt(() => readFileSync(`/proc/${pid}/comm`, "latin1").trim()) ?? "?";
    holder = { pid: Number(pid), command, reads: false, writes: false };
    holders.push(holder);
  }
  holder.reads ||= access !== 1;
  holder.writes ||= access !== 0;
}

/** "trace-agent (pid 123)". */
export function describeHolder({ command, pid }: Holder): string {
  return `${command} (pid ${pid})`;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
