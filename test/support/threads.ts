/** The status (proc(5)) of each thread of a process. One may end while they are read. */
import { readdirSync, readFileSync } from "node:fs";
import { attempt } from "../../src/base/attempt.ts";

export type ThreadStatus = { thread: string; field: (name: string) => string };

export function threadStatuses(pid: number): ThreadStatus[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const status = attempt(() => readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1"));
    if (status === undefined) return [];
    return { thread, field: (name) => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "" };
  });
}
