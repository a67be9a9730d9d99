/** setgroups(2), setresgid(2), setresuid(2): becomes another user for good, with all threads (glibc sees to that). */
import { ptr } from "bun:ffi";
import { errno, NULL } from "./libc.ts";
import { libcHost } from "./libc-host.ts";
import { SystemError } from "./errno.ts";

export type Identity = { uid: number; gid: number; groups: readonly number[] };

/** -1 would leave an id as it is. */
const idMax = 0xffff_fffe;

/** Groups first: without root's rights they cannot be set. Throws where the system refuses, or root's rights could be had back. */
export function becomeUser({ uid, gid, groups }: Identity): void {
  for (const id of [uid, gid, ...groups])
    if (!Number.isInteger(id) || id < 0 || id > idMax) throw new RangeError(`no user or group id: ${id}`);
  const list = new Uint32Array(new ArrayBuffer(Math.max(1, groups.length) * 4));
  list.set(groups);
  if (libcHost().setgroups(groups.length, groups.length === 0 ? NULL : ptr(list)) < 0)
    throw new SystemError("setgroups", groups.join(","), errno());
  if (libcHost().setresgid(gid, gid, gid) < 0) throw new SystemError("setresgid", `${gid}`, errno());
  if (libcHost().setresuid(uid, uid, uid) < 0) throw new SystemError("setresuid", `${uid}`, errno());
  if (uid !== 0 && libcHost().setresuid(0, 0, 0) === 0) throw new Error(`root's rights are still there as user ${uid}`);
}
