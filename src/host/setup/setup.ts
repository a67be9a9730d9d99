/** Makes and removes a guest's directory, FIFOs and lock. Leaves alone what is already right. */
import { fchmodSync, fchownSync, fstatSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd, O } from "../../../ffi/fd.ts";
import type { Directory } from "../../base/directory.ts";
import { AgentError, errnoOf, isDenied, messageOf } from "../../base/errors.ts";
import { type Located, locate } from "../../base/locate.ts";
import { groupId, isTrusted } from "../../base/owners.ts";
import { controlPortName, cpuOfDataPort } from "../../protocol/ports.ts";
import { hostEnd, hostEnds, type HostTransport } from "../../transport/transports.ts";
import { lockName } from "../run/guest-lock.ts";
import type { SetupPlan } from "./setup-plan.ts";

export const directoryMode = 0o750;
/** Mode of the FIFOs and the lock: whoever may use one of them needs all. */
export const entryMode = 0o660;
/** Mode of the parent directories of a guest's directory. */
const wayMode = 0o755;

/** `beyond`: CPUs that have ports there, of an earlier setup, and are not in the plan. */
export type Made = { directory: boolean; fifos: number; beyond: number[] };

/** Returns what was created. `group`: who may use it beside root, as QEMU run by libvirt must. */
export function makeGuestDirectory(
  path: string,
  plan: SetupPlan,
  transport: HostTransport,
  group: string | undefined,
): Made {
  const gid = group === undefined ? undefined : groupId(group);
  try {
    const { directory, made } = openOrMake(path);
    try {
      settle(directory, made, gid);
      const count = fifoNames(plan, transport).filter((name) => makeEntry(directory, name, "FIFO", gid)).length;
      makeEntry(directory, lockName, "file", gid);
      return { directory: made, fifos: count, beyond: cpusBeyond(directory, plan) };
    } finally {
      directory.close();
    }
  } catch (cause) {
    throw cause instanceof AgentError ? cause : setupError(path, cause);
  }
}

function cpusBeyond(directory: Directory, { ports }: SetupPlan): number[] {
  const planned = new Set(ports.map(({ name }) => cpuOfDataPort(name)));
  const cpus = directory.list().flatMap((entry) => cpuOfDataPort(entry.replace(/\.(?:in|out|sock)$/, "")) ?? []);
  return [...new Set(cpus)].filter((cpu) => !planned.has(cpu)).sort((a, b) => a - b);
}

/** The FIFOs of every port: NAME.in and NAME.out; none for a transport whose entries QEMU makes. */
export function fifoNames({ ports }: SetupPlan, transport: HostTransport): string[] {
  const { madeBySetup, endings } = hostEnd(transport);
  return madeBySetup ? ports.flatMap(({ name }) => endings.map((ending) => `${name}${ending}`)) : [];
}

/** Removes what `makeGuestDirectory` and QEMU made there, and the directory; returns what else is in it and stays. */
export function removeGuestDirectory(path: string): { removed: number; left: string[] } {
  let place: Located;
  try {
    place = locate(path, "remove");
  } catch (error) {
    if (isMissing(error)) return { removed: 0, left: [] };
    throw error;
  }
  const { directory: parent, name, status } = place;
  try {
    if (status === undefined) return { removed: 0, left: [] };
    requireTrusted(path, "remove", status);
    const directory = parent.child(name);
    try {
      const entries = directory.list();
      const ours = entries.filter((entry) => isPortFile(entry) || entry === lockName);
      const left = entries.filter((entry) => !ours.includes(entry));
      for (const entry of ours) directory.remove(entry);
      if (left.length === 0) parent.removeDirectory(name);
      return { removed: ours.length, left };
    } finally {
      directory.close();
    }
  } catch (cause) {
    throw cause instanceof AgentError ? cause : setupError(path, cause);
  } finally {
    parent.close();
  }
}

function isPortFile(entry: string): boolean {
  const ending = hostEnds.flatMap(({ endings }) => endings).find((known) => entry.endsWith(known));
  const name = ending === undefined ? "" : entry.slice(0, -ending.length);
  return name === controlPortName || cpuOfDataPort(name) !== undefined;
}

/** Makes the guest's directory and its parents. */
function openOrMake(path: string): { directory: Directory; made: boolean } {
  const { directory: parent, name, status } = locateInside(path);
  try {
    if (status !== undefined) requireTrusted(path, "set up", status);
    else parent.makeDirectory(name, 0o700);
    const directory = parent.child(name);
    // Others who may write the directory could have replaced it.
    requireTrusted(path, "set up", directory.status);
    return { directory, made: status === undefined };
  } finally {
    parent.close();
  }
}

function locateInside(path: string): Located {
  try {
    return locate(path, "set up");
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    const { directory: parent, name } = locateInside(dirname(path));
    try {
      parent.makeDirectory(name, wayMode);
      const directory = parent.child(name);
      // Independent of the umask: members of a guest's group must have access.
      if (directory.status.uid === process.geteuid?.()) setMode(directory, wayMode);
      directory.close();
    } catch (cause) {
      if (!(cause instanceof SystemError) || cause.errno !== E.EEXIST) throw cause;
    } finally {
      parent.close();
    }
    return locate(path, "set up");
  }
}

function setMode(directory: Directory, mode: number): void {
  const { uid, gid } = directory.status;
  directory.give(mode, uid, gid);
}

/** Sets mode and group of the directory: a named group gets access, whatever the mode was. */
function settle(directory: Directory, made: boolean, gid: number | undefined): void {
  const { mode, uid, gid: before } = directory.status;
  const wanted = made ? directoryMode : gid === undefined ? mode & 0o7777 : (mode & 0o7777) | 0o050;
  if (wanted !== (mode & 0o7777) || (gid ?? before) !== before) directory.give(wanted, uid, gid ?? before);
}

/** Returns whether it was created. */
function makeEntry(directory: Directory, name: string, kind: "FIFO" | "file", gid: number | undefined): boolean {
  const made = kind === "FIFO" ? directory.makeFifo(name, 0o600) : makeFile(directory, name);
  const fd = openEntry(directory, name, kind);
  try {
    const { mode, uid, gid: before } = fstatSync(fd);
    if (gid !== undefined && gid !== before) fchownSync(fd, uid, gid);
    if ((made || gid !== undefined) && (mode & 0o7777) !== entryMode) fchmodSync(fd, entryMode);
    return made;
  } finally {
    closeFd(fd);
  }
}

function makeFile(directory: Directory, name: string): boolean {
  try {
    closeFd(directory.open(name, O.RDWR | O.CREAT | O.EXCL, 0o600));
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.errno === E.EEXIST) return false;
    throw error;
  }
}

function openEntry(directory: Directory, name: string, kind: "FIFO" | "file"): number {
  const refusal = (reason: string): AgentError =>
    new AgentError("unavailable", `cannot make ${kind} "${directory.path}/${name}": ${reason}`, {
      remedy: "move it away",
    });
  let fd: number;
  try {
    fd = directory.open(name, O.RDONLY | O.NONBLOCK);
  } catch (error) {
    if (error instanceof SystemError && error.errno === E.ELOOP) throw refusal("a symbolic link is there");
    throw error;
  }
  const status = fstatSync(fd);
  if (kind === "FIFO" ? status.isFIFO() : status.isFile() && status.nlink === 1) {
    if (isTrusted(status.uid)) return fd;
    closeFd(fd);
    throw refusal(`one of user ${status.uid} is there, who is neither you nor root`);
  }
  closeFd(fd);
  throw refusal("something else is there");
}

function requireTrusted(path: string, action: string, status: Stats): void {
  if (!status.isDirectory())
    throw new AgentError("unavailable", `cannot ${action} "${path}": it is not a directory`, {
      remedy: "move it away",
    });
  if (isTrusted(status.uid)) return;
  throw new AgentError(
    "permission",
    `cannot ${action} "${path}": it belongs to user ${status.uid}, who is neither you nor root`,
    { remedy: "name a directory of your own with --dir" },
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof AgentError && errnoOf(error.cause) === "ENOENT";
}

function setupError(path: string, cause: unknown): AgentError {
  const denied = isDenied(cause);
  return new AgentError(denied ? "permission" : "io", `cannot set up "${path}": ${messageOf(cause)}`, {
    ...(denied ? { remedy: "run it as root, or name a directory of your own with --dir" } : {}),
    cause,
  });
}
