/** One host program at a time talks to a guest: replies and data would else be torn between two. */
import { ftruncateSync, readFileSync, writeSync } from "node:fs";
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { tryLock } from "../../ffi/lock.ts";
import { AgentError, messageOf } from "../errors.ts";
import type { GuestDirectory } from "./guest-directory.ts";

export const lockName = "lock";

/** Takes the lock and returns what gives it back. The kernel does so too when the process dies, however it dies. */
export function lockGuest({ guest, path }: GuestDirectory, what: string): () => void {
  const file = `${path}/${lockName}`;
  let fd: number;
  try {
    fd = openFd(file, O.RDWR | O.CREAT, 0o660);
  } catch (cause) {
    throw new AgentError("permission", `cannot lock guest "${guest}": ${messageOf(cause)}`, {
      remedy: "run it as root, or as a member of the directory's group",
      cause,
    });
  }
  if (!tryLock(fd)) {
    const holder = readFileSync(file, "latin1").trim();
    closeFd(fd);
    throw new AgentError("unavailable", `cannot reach guest "${guest}": ${holder === "" ? "another trace-agent" : holder} has it`, {
      remedy: "end it, or wait until it has finished",
    });
  }
  ftruncateSync(fd);
  writeSync(fd, `trace-agent ${what} (pid ${process.pid})\n`, 0);
  return () => closeFd(fd);
}
