/**
 * Whose links, directories and files this program writes through: its own user's, root's, and under sudo those of
 * the calling user. Anybody else's may be a trap: it could redirect what root writes.
 */
import { readFileSync } from "node:fs";
import { AgentError, messageOf } from "./errors.ts";

export type Owner = { uid: number; gid: number };

/** The user who called sudo; undefined if we are not root, or sudo was not used. */
function sudoUser(): Owner | undefined {
  const [uid, gid] = [readId(process.env["SUDO_UID"]), readId(process.env["SUDO_GID"])];
  return process.geteuid?.() === 0 && uid !== undefined && gid !== undefined ? { uid, gid } : undefined;
}

function readId(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

export function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.() || uid === sudoUser()?.uid;
}

/** The owner of a new file in a directory of `directoryUid`; undefined: whoever makes it. */
export function ownerIn(directoryUid: number, group: number | undefined): Owner | undefined {
  const user = sudoUser();
  if (user !== undefined && user.uid !== 0 && user.uid === directoryUid)
    return { uid: user.uid, gid: group ?? user.gid };
  return group === undefined ? undefined : { uid: process.geteuid?.() ?? 0, gid: group };
}

/** The number of a group given by name or number. */
export function groupId(group: string): number {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  const gid = Number(
    readGroups()
      .split("\n")
      .find((entry) => entry.startsWith(`${group}:`))
      ?.split(":")[2],
  );
  if (group !== "" && Number.isSafeInteger(gid)) return gid;
  throw new AgentError("usage", `unknown group "${group}"`, { remedy: "name one of /etc/group, or a number" });
}

function readGroups(): string {
  try {
    return readFileSync("/etc/group", "latin1");
  } catch (cause) {
    throw new AgentError("io", `cannot read /etc/group: ${messageOf(cause)}`, {
      remedy: "give the group's number",
      cause,
    });
  }
}
