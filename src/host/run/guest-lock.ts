/**
 * Only one host program at a time may talk to a guest: otherwise replies and data would be split between two.
 *
 * The lock covers the guest's directory, which every permitted user can open, and the lock file that setup makes in
 * it. Earlier versions lock the file, and it says who uses the guest. Nothing is created here: a mere status query
 * takes the lock too.
 */
import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd, O, openFd } from "../../../ffi/fd.ts";
import { tryLock } from "../../../ffi/lock.ts";
import { Directory } from "../../base/directory.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { isTrusted } from "../../base/owners.ts";
import { guestTitle, type GuestDirectory } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";

export const lockName = "lock";

/** Takes the lock and returns a function that releases it. The kernel also releases it when the process dies. */
export function lockGuest(guest: GuestDirectory, what: string): () => void {
  const fds: number[] = [];
  const unlock = (): void => {
    for (const fd of fds.splice(0)) closeFd(fd);
  };
  try {
    const directory = openFd(guest.path, O.RDONLY | O.DIRECTORY);
    fds.push(directory);
    const file = openLock(new Directory(directory, guest.path));
    if (file !== undefined) fds.push(file.fd);
    if (!isFree(directory) || (file !== undefined && !tryLock(file.fd))) {
      const holder = file === undefined ? "" : readHolder(file.fd);
      throw new AgentError(
        "unavailable",
        `cannot reach ${guestTitle(guest)}: ${holder === "" ? "another trace-agent" : holder} uses it`,
        { remedy: "end it, or wait until it has finished" },
      );
    }
    if (file?.writable === true) {
      ftruncateSync(file.fd);
      writeSync(file.fd, `trace-agent ${what} (pid ${process.pid})\n`, 0);
    }
    return unlock;
  } catch (cause) {
    unlock();
    throw cause instanceof AgentError ? cause : lockError(guest, cause);
  }
}

/** Undefined where there is none. A file of another owner is locked, but not written to. */
function openLock(directory: Directory): { fd: number; writable: boolean } | undefined {
  const open = (flags: number): number | undefined => {
    try {
      return directory.open(lockName, flags | O.NONBLOCK);
    } catch (error) {
      if (error instanceof SystemError && (error.errno === E.ENOENT || error.errno === E.EACCES)) return undefined;
      throw error;
    }
  };
  const writing = open(O.RDWR);
  const fd = writing ?? open(O.RDONLY);
  if (fd === undefined) return undefined;
  const status = fstatSync(fd);
  if (!status.isFile() || status.nlink > 1) {
    closeFd(fd);
    throw new Error(`its file "${lockName}" is a link, or not a regular file`);
  }
  return { fd, writable: writing !== undefined && isTrusted(status.uid) };
}

/** Some file systems cannot lock directories; there the lock file alone must do. */
function isFree(directory: number): boolean {
  try {
    return tryLock(directory);
  } catch (error) {
    if (error instanceof SystemError) return true;
    throw error;
  }
}

function readHolder(fd: number): string {
  const bytes = Buffer.alloc(hostLimits.holderBytes);
  return foreignText(
    bytes
      .subarray(0, readSync(fd, bytes, 0, bytes.length, 0))
      .toString("utf8")
      .trim(),
  );
}

function lockError(guest: GuestDirectory, cause: unknown): AgentError {
  const code = cause instanceof SystemError ? cause.errno : 0;
  const denied = code === E.EACCES || code === E.EPERM;
  const remedy = denied
    ? "run it as root, or as a member of the directory's group"
    : "check the guest's directory; trace-agent setup makes it again";
  return new AgentError(denied ? "permission" : "io", `cannot lock ${guestTitle(guest)}: ${messageOf(cause)}`, {
    remedy,
    cause,
  });
}
