/** Makes a guest's directory and FIFOs, and takes them away again. What is right already is left alone. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { SystemError } from "../../ffi/errno.ts";
import { makeFifo } from "../../ffi/pipe.ts";
import { AgentError, messageOf } from "../errors.ts";
import { controlPortName, cpuOfDataPort } from "../protocol/ports.ts";
import type { Transport } from "./guest-directory.ts";
import { lockName } from "./guest-lock.ts";
import type { SetupPlan } from "./setup-plan.ts";

const directoryMode = 0o750;
const fifoMode = 0o660;

export type Made = { directory: boolean; fifos: number };

/** Says what was not there before. `group`: who may use it beside root, as QEMU run by libvirt must. */
export function makeGuestDirectory(path: string, plan: SetupPlan, transport: Transport, group: string | undefined): Made {
  const gid = group === undefined ? undefined : groupId(group);
  try {
    const made = { directory: makeDirectory(path), fifos: 0 };
    if (made.directory) chmodSync(path, directoryMode);
    if (gid !== undefined) chownSync(path, lstatSync(path).uid, gid);
    if (transport === "socket") return made;
    for (const { name } of plan.ports) {
      for (const side of ["in", "out"]) {
        const fifo = `${path}/${name}.${side}`;
        if (makeFifo(fifo, fifoMode)) {
          // The umask does not count here: the group shall have it.
          chmodSync(fifo, fifoMode);
          made.fifos++;
        } else if (!lstatSync(fifo).isFIFO()) {
          throw new AgentError("unavailable", `cannot make FIFO "${fifo}": something else is there`, { remedy: "move it away" });
        }
        if (gid !== undefined) chownSync(fifo, lstatSync(fifo).uid, gid);
      }
    }
    return made;
  } catch (cause) {
    throw cause instanceof AgentError ? cause : setupError(path, cause);
  }
}

/** Removes what `makeGuestDirectory` and QEMU made there, and the directory; tells what else lies in it and stays. */
export function removeGuestDirectory(path: string): { removed: number; left: string[] } {
  let entries: string[];
  try {
    entries = readdirSync(path);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return { removed: 0, left: [] };
    throw setupError(path, cause);
  }
  const ours = entries.filter((entry) => isPortFile(entry) || entry === lockName);
  const left = entries.filter((entry) => !ours.includes(entry));
  try {
    for (const entry of ours) rmSync(`${path}/${entry}`, { force: true });
    if (left.length === 0) rmdirSync(path);
  } catch (cause) {
    throw setupError(path, cause);
  }
  return { removed: ours.length, left };
}

function isPortFile(entry: string): boolean {
  const name = /^(.+)\.(?:in|out|sock)$/.exec(entry)?.[1];
  return name !== undefined && (name === controlPortName || cpuOfDataPort(name) !== undefined);
}

function makeDirectory(path: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return false;
  return mkdirSync(path, { recursive: true, mode: 0o755 }) !== undefined;
}

function groupId(group: string): number {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  const line = readFileSync("/etc/group", "latin1").split("\n").find((entry) => entry.startsWith(`${group}:`));
  const gid = Number(line?.split(":")[2]);
  if (line === undefined || !Number.isSafeInteger(gid)) {
    throw new AgentError("usage", `unknown group "${group}"`, { remedy: "name one of /etc/group, or a number" });
  }
  return gid;
}

function setupError(path: string, cause: unknown): AgentError {
  const denied = codeOf(cause) === "EACCES" || codeOf(cause) === "EPERM";
  return new AgentError(denied ? "permission" : "io", `cannot set up "${path}": ${messageOf(cause)}`, {
    ...(denied ? { remedy: "run it as root, or name a directory of your own with --dir" } : {}),
    cause,
  });
}

function codeOf(error: unknown): unknown {
  if (error instanceof SystemError) return error.code;
  return error instanceof Error && "code" in error ? error.code : undefined;
}
