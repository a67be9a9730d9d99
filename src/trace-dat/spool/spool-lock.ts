/** The lock of a spool: its recorder has it alone, who reads what a killed one left shares it. */
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd, O } from "../../../ffi/fd.ts";
import { tryLock } from "../../../ffi/lock.ts";
import type { Directory } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";

export const lockName = "lock";

/** Shared by all who read; none where there is no lock file, as in a spool that was made by hand. */
export function lockToRead(directory: Directory): number | undefined {
  let fd: number;
  try {
    fd = directory.open(lockName, O.RDONLY | O.NONBLOCK);
  } catch (error) {
    if (error instanceof SystemError && error.errno === E.ENOENT) return undefined;
    throw error;
  }
  if (tryLock(fd, true)) return fd;
  closeFd(fd);
  throw stillWritten(directory.path);
}

export function stillWritten(path: string): AgentError {
  return new AgentError("unavailable", `cannot use spool "${path}": a recorder still writes it`, {
    remedy: "stop that recorder; it makes the file itself",
  });
}
