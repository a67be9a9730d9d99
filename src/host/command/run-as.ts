/**
 * As whom `record --local -- COMMAND` runs the command: under sudo as the user who called it, with that user's groups. Users and groups
 * are asked of id(1), which knows those of a directory service, and without it of /etc/group.
 */
import { existsSync, readFileSync } from "node:fs";
import type { Identity } from "../../../ffi/identity.ts";
import { AgentError } from "../../base/errors.ts";
import { hostLimits } from "../limits.ts";

/** `environment`: what a login of that user sets, which sudo has set to root's. */
export type RunAs = Identity & { environment: Record<string, string> };

/** Not by PATH, which is the caller's. */
const idPrograms = ["/usr/bin/id", "/bin/id"];

/** Undefined: as this program itself runs. */
export function callerOf(environment: NodeJS.ProcessEnv): RunAs | undefined {
  const uid = readId("SUDO_UID", environment["SUDO_UID"]);
  if (uid === undefined || uid === 0 || process.geteuid?.() !== 0) return undefined;
  const user = userOf(uid);
  const gid = readId("SUDO_GID", environment["SUDO_GID"]) ?? user?.gid;
  if (gid === undefined) {
    throw new AgentError("usage", `cannot run a command as user ${uid}: SUDO_GID is not set`, {
      remedy: "set it, or run the command as root with --as-root",
    });
  }
  const groups = new Set([gid, ...(askedGroups(uid) ?? groupsOf(user?.name))]);
  const login = user === undefined ? {} : { HOME: user.home, USER: user.name, LOGNAME: user.name, SHELL: user.shell };
  return { uid, gid, groups: [...groups].slice(0, hostLimits.commandGroupsMax), environment: login };
}

function readId(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text) && Number(text) < 0xffff_ffff) return Number(text);
  throw new AgentError("usage", `cannot run a command as the user of ${name} "${text}": it is no id`, {
    remedy: "unset it, or run the command as root with --as-root",
  });
}

type User = { name: string; gid: number; home: string; shell: string };

function userOf(uid: number): User | undefined {
  for (const line of linesOf("/etc/passwd")) {
    const [name = "", , id, gid, , home = "/", shell = "/bin/sh"] = line.split(":");
    if (Number(id) === uid && id !== "" && name !== "") return { name, gid: Number(gid), home, shell };
  }
  return undefined;
}

/** By number: a name of digits would be one. */
function askedGroups(uid: number): number[] | undefined {
  const program = idPrograms.find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const { exitCode, stdout } = Bun.spawnSync([program, "-G", `${uid}`], {
    env: {},
    stderr: "ignore",
    timeout: hostLimits.commandGroupsMs,
  });
  const text = stdout.toString("latin1").trim();
  return exitCode === 0 && /^\d{1,10}(?: \d{1,10})*$/.test(text) ? text.split(" ").map(Number) : undefined;
}

function groupsOf(user: string | undefined): number[] {
  return linesOf("/etc/group").flatMap((line) => {
    const [, , gid, members = ""] = line.split(":");
    return user !== undefined && members.split(",").includes(user) ? Number(gid) : [];
  });
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "latin1").split("\n");
  } catch {
    return [];
  }
}
