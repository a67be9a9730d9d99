/** Where the build keeps what it fetched: `TRACE_AGENT_CACHE`, or trace-agent in the user's cache folder. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { closeFd, O, openFd } from "../fd.ts";
import { tryLock } from "../lock.ts";

export function cacheFolder(name: string): string {
  const base =
    process.env["TRACE_AGENT_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "trace-agent");
  const folder = join(base, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Does work in a folder of the cache while no other process does; waits for one that does. */
export function lockedFolder<T>(name: string, work: (folder: string) => T): T {
  const folder = cacheFolder(name);
  const fd = openFd(join(folder, "lock"), O.RDWR | O.CREAT | O.CLOEXEC, 0o600);
  try {
    while (!tryLock(fd)) Bun.sleepSync(100);
    return work(folder);
  } finally {
    closeFd(fd);
  }
}
